#!/bin/sh
# Prolog: before a job starts, on each of its nodes, as root; use it with PrologFlags=Alloc. A node
# on which a model could be written starts nothing: Slurm drains it and holds the job.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
for folder in @MODELS@; do
  # The mount itself and whatever is mounted below it.
  mounts=$(findmnt --noheadings --raw --submounts --output VFS-OPTIONS --mountpoint "$folder") || {
    echo "apsci: R1_weight_delta: nothing is mounted at $folder" >&2
    exit 1
  }
  for options in $mounts; do
    case ,$options, in
    *,ro,*) ;;
    *)
      echo "apsci: R1_weight_delta: $folder can be written" >&2
      exit 1
      ;;
    esac
  done
done
