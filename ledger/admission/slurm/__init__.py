"""Slurm's part of the admission room: what its hooks are told, and what they make of it.

``job_submit.lua`` answers ``sbatch``, ``prolog.sh`` stands before every start on the controller,
``node_prolog.sh`` before it on every node, and ``ended.sh`` learns how a run ended. The scripts
hold no rule: they call ``ledger slurm``, and whatever it does not let through does not start.
"""
