#!/bin/sh
# PrologSlurmctld: before a job starts, on the controller, as SlurmUser. Any status but 0 keeps it
# from starting. A batch job goes back into the queue and is tried again after two minutes; one that
# was refused is held, too, and its AdminComment says why. srun and salloc end with the message.
exec /usr/bin/timeout -k 5 120 '@LEDGER@' slurm start '@SITE@'
