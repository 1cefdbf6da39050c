#!/bin/sh
# JobCompLoc of JobCompType=jobcomp/script: when a job's run ends, on the controller, as SlurmUser.
# EpilogSlurmctld would be too early: until it returns, a job is "completing", however it ended.
case ${JOBID:-} in '' | *[!0-9]*) exit 2 ;; esac
# Most jobs have no GPU, and nothing was written down of their start.
[ -e "@RUNS@/$JOBID.json" ] || exit 0
exec /usr/bin/timeout -k 5 120 '@LEDGER@' slurm end '@SITE@'
