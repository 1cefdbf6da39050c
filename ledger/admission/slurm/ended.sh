#!/bin/sh
# JobCompLoc of JobCompType=jobcomp/script: when a job's run ends, on the controller, as SlurmUser.
# EpilogSlurmctld would be too early: until it returns, a job is "completing", however it ended.
exec /usr/bin/timeout -k 5 120 '@LEDGER@' slurm end '@SITE@'
