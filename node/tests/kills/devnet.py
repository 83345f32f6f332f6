"""A devnet of real processes: started and stopped by `tonle devnet`, its validators killed from outside by SIGKILL.
Must not know: what the nodes say to clients."""
import json
import os
import select
import signal
import socket
import subprocess


class Failed(Exception):
    """What was asked of the devnet did not happen."""


class Devnet:
    """The devnet in `folder`, by the program `tonle`."""

    def __init__(self, tonle, folder):
        self.tonle, self.folder = tonle, folder

    def up(self, *arguments):
        self.command("up", "--detach", "--wait", "--json", *arguments)

    def down(self):
        self.command("down")

    def command(self, *arguments):
        command = [self.tonle, "devnet", *arguments, "--dir", self.folder]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"tonle devnet {arguments[0]}: {done.stderr.strip()}")

    def validators(self):
        """The validators by name: {"pid": … or None, "grpc": address, …}."""
        state = json.load(open(os.path.join(self.folder, "state.json")))
        return {validator["name"]: validator for validator in state["devnet"]["validators"]}

    def ask(self, request):
        """Asks the supervisor: one JSON line there, one back."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            with socket.socket(socket.AF_UNIX) as line:
                # By way of the open folder: a socket's address has room for 108 bytes only.
                line.connect(f"/proc/self/fd/{folder}/control.sock")
                line.sendall(json.dumps(request).encode() + b"\n")
                answer = json.loads(line.makefile().readline())
        finally:
            os.close(folder)
        if "failed" in answer:
            raise Failed(answer["failed"])
        return answer

    def states(self):
        """How each validator's process stands: `running`, or how it ended."""
        return {entry["name"]: entry["state"] for entry in self.ask("status")["status"]["validators"]}

    def restart(self, name):
        """Starts a validator's process; returns when it runs, which is before it answers."""
        self.ask({"restart": {"name": name}})

    def kill(self, names):
        """SIGKILL to all of `names`, one right after the other, and waits until they are gone. Each must be running."""
        validators, handles = self.validators(), []
        try:
            for name in names:
                pid = validators[name]["pid"]
                if pid is None:
                    raise Failed(f"{name} is down already: {self.states()[name]}")
                try:
                    # The handle, not the number: it cannot come to mean another process.
                    handles.append(os.pidfd_open(pid))
                    command = open(f"/proc/{pid}/cmdline").read()
                except (ProcessLookupError, FileNotFoundError):
                    command = ""
                if f"nodes/{name}/config.toml" not in command or is_over(handles[-1], 0):
                    raise Failed(f"{name} ended by itself: {self.states()[name]}")
            for handle in handles:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            for handle in handles:
                is_over(handle, None)
        finally:
            for handle in handles:
                os.close(handle)


def is_over(handle, timeout_ms):
    """Has the process ended? Waits so long for it; None: for ever."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(timeout_ms))
