"""The ``dbless-gateway`` command: which commands there are, and how one is chosen.

A command is a module of this package with ``main(argv) -> exit code``. Modules are imported when their
command runs: ``validate`` in an editor's save hook must not pay for the event loop, and ``--help`` for
nothing at all.

An exception that reaches this place is a bug of ours; it becomes one line and exit code 70 unless ``--debug``
asks for the traceback.
"""

from __future__ import annotations

import importlib
import sys

EXIT_USAGE = 2
EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

# name -> (module in this package, one line for --help)
COMMANDS: dict[str, tuple[str, str]] = {
    "start": ("start", "run the gateway in the foreground"),
    "reload": ("reload", "let a running gateway load its configuration again"),
    "status": ("status", "tell what a running gateway serves"),
    "doctor": ("doctor", "tell what of this machine could keep a gateway from serving well"),
    "validate": ("validate", "judge configuration files as start would"),
    "explain": ("explain", "tell why a route takes a request, or what the code of a problem means"),
    "routes": ("routes", "list the routes in the order in which they are tried"),
    "test": ("test", "play test files against a configuration, without a network"),
    "fmt": ("fmt", "bring configuration files into one form, comments kept"),
    "convert": ("convert", "bring a file of format 1.1 or 2.1 to 3.0"),
    "dump": ("dump", "print what a configuration amounts to, secrets masked"),
    "diff": ("diff", "compare what two configurations amount to"),
    "hash-key": ("hash_key", "hash an API key or a password for a configuration file"),
    "schema": ("schema", "print the JSON Schema of kong.yaml, for editors"),
    "plugin": ("plugin", "begin a plugin of your own, or list plugins"),
    "demo": ("demo", "run the gateway together with two demo targets"),
    "version": ("version", "print the version"),
}


def main(argv: list[str] | None = None) -> int:
    """Run the command that the arguments name; return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    name = "version" if arguments[0] == "--version" else arguments[0]
    if name not in COMMANDS:
        print(f"No such command: {name}\n\n{usage()}", file=sys.stderr)
        return EXIT_USAGE
    return _run(name, arguments[1:], debug=debug)


def usage() -> str:
    """Return the text of ``--help``."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: dbless-gateway COMMAND [options]",
            "",
            *lines,
            "",
            "dbless-gateway COMMAND --help tells the options of a command.",
        ]
    )


def _run(name: str, argv: list[str], *, debug: bool) -> int:
    try:
        module = importlib.import_module(f"dbless_gateway.cli.{COMMANDS[name][0]}")
        code: int = module.main(argv)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough (| head).
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001  # The outermost place: one line for people, all of it with --debug.
        if debug:
            sys.excepthook(type(error), error, error.__traceback__)
        else:
            told = " ".join(f"{type(error).__name__}: {error}".split())
            advice = "this is a bug of dbless-gateway, please report it with what --debug prints"
            print(f"dbless-gateway {name}: internal error: {told} ({advice})", file=sys.stderr)
        # A command that scripts rely on may have a code of its own for this.
        own = sys.modules.get(f"dbless_gateway.cli.{COMMANDS[name][0]}")
        return int(getattr(own, "EXIT_BUG", EXIT_BUG))
    return code
