# Runs Elastic Curator once for each line of JSON on its standard input, and prints the exit code. Python takes most of such
# a run's time to load the program; here it has been loaded when the run's process is forked.
import gc
import json
import os
import sys
import time
import traceback

from curator.cli import cli


def run(job):
    os.chdir(job["dir"])
    os.environ.clear()
    os.environ.update(job["env"])
    time.tzset()
    out = os.open(job["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in 1, 2:
        os.dup2(out, stream)
    sys.argv = ["curator"] + job["args"]
    try:
        cli()
        return 0
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return e.code or 0
        print(e.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1


gc.disable()  # a collection would have each run copy all of the memory that it shares with this process
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        code = run(json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
