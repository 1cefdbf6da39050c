-- Slurm's answer to sbatch, salloc and srun: a job with GPUs needs the receipt of its admission.
--
-- slurmctld calls this for every submission and holds its locks meanwhile; the check is bounded in
-- time. Nothing that a user wrote reaches a shell but what a whitelist lets through: 26 characters
-- of a ULID, lower-case words, digits. What is in doubt is refused. Counts here are the least that
-- a job can mean; what it is really given is checked again before it starts, by prolog.sh.

local LEDGER = "@LEDGER@"
local SITE = "@SITE@"
local LIMIT_S = 8 -- below MessageTimeout, after which sbatch no longer waits for the reason
local NO_VALUE = 4294967294 -- and 4294967295, which is "infinite"
local HOW = "--comment=apsci:JOB (its number in the ledger) and --wckey=CLASS_OF_WORK"

local function given(value)
  value = tonumber(value)
  return value ~= nil and value > 0 and value < NO_VALUE and value or nil
end

-- How many GPUs a request names, and whether it names parts of one: "gres:gpu:h200:2,gres:nic:1".
local function gpus_in(request)
  local gpus, shares = 0, false
  for item in string.gmatch(request or "", "[^,]+") do
    item = item:gsub("^%s*gres[:/]", "")
    local name = item:match("^[%w_]+")
    if name == "gpu" then
      local count = item:match("[:=](%w+)$")
      if count ~= nil and count:match("^%d") then
        gpus = gpus + (tonumber(count) or math.huge)
      else
        gpus = gpus + 1
      end
    elseif name == "shard" or name == "mps" then
      shares = true
    end
  end
  return gpus, shares
end

-- The least number of GPUs that the job can mean, and whether it asks for parts of one.
local function asked(job)
  local nodes, tasks = given(job.min_nodes) or 1, given(job.num_tasks) or 1
  local most, any_shares = 0, false
  for field, times in pairs({
    gres = nodes, tres_per_node = nodes, tres_per_socket = nodes,
    tres_per_job = 1, tres_per_task = tasks,
  }) do
    local gpus, shares = gpus_in(job[field])
    most, any_shares = math.max(most, gpus * times), any_shares or shares
  end
  return most, any_shares
end

-- nil where the job may wait in the queue, else one line that says why it may not.
local function why_not(job, uid)
  local gpus, shares = asked(job)
  if shares then
    return "Q_malformed: shares of GPUs (shard, mps) cannot be admitted; ask for whole GPUs."
  end
  if gpus == 0 then
    return nil
  end
  if gpus > 1000000 then
    return "Q_malformed: how many GPUs the job asks for cannot be read."
  end
  if job.array_inx ~= nil then
    return "Q_malformed: the tasks of an array are several runs, and one receipt starts one run;"
      .. " submit each as a job of its own."
  end
  local ulid = (job.comment or ""):match("^apsci:(%w+)$")
  if ulid == nil or #ulid ~= 26 or not ulid:match("^[0-7][0-9A-HJKMNP-TV-Z]+$") then
    return "R3_missing_record: a job with GPUs needs " .. HOW .. ", as the ledger admitted it."
  end
  local workload = (job.wckey or ""):match("^%*?([a-z][a-z_]*)$")
  if workload == nil or #workload > 60 then
    return "R3_missing_record: a job with GPUs needs " .. HOW .. ", as the ledger admitted it."
  end
  local minutes = given(job.time_limit)
  if minutes == nil then
    return "Q_quota: a job with GPUs needs a time limit (--time)."
  end
  -- Any other account is of no member; what Slurm makes of it is seen at the start.
  local account = job.account
  if account == nil or account == "" then
    account = job.default_account
  end
  account = (account or ""):match("^[a-z0-9_-]+$") or ""
  if #account > 64 then
    account = ""
  end
  local command = string.format(
    "/usr/bin/timeout -k 2 %d '%s' slurm check '%s' --job %s --workload %s --gpus %d"
      .. " --wall-seconds %d --account=%s --user %d </dev/null 2>&1",
    LIMIT_S, LEDGER, SITE, ulid, workload, gpus, minutes * 60, account, tonumber(uid) or 0)
  local pipe = io.popen(command, "r")
  local said = pipe and pipe:read("*a") or ""
  if pipe then
    pipe:close()
  end
  if said:sub(1, 10) == "admitted: " then
    return nil
  end
  said = said:sub(1, 700):gsub("%s+$", ""):gsub("^ledger: ", ""):gsub("[%c]+", " ")
  if said == "" then
    said = "the receipt could not be checked in time; nothing starts unchecked."
  end
  return said
end

function slurm_job_submit(job, partitions, uid)
  local ran, trouble = pcall(why_not, job, uid)
  if ran and trouble == nil then
    return slurm.SUCCESS
  end
  if not ran then
    slurm.log_error("apsci: %s", tostring(trouble))
    trouble = "the receipt could not be checked (an error in job_submit.lua)."
  end
  slurm.log_user("%s", "apsci: " .. trouble)
  return slurm.ESLURM_ACCESS_DENIED or slurm.ERROR
end

-- A job may be changed while it waits: prolog.sh sees what it has become.
function slurm_job_modify(job, record, partitions, uid)
  return slurm.SUCCESS
end

return slurm.SUCCESS
