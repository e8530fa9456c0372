"""A node of real processes: start, reload, crash, drain. Only loader and data plane are stand-ins."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support.client import fetch
from tests.unit.server.node import Node

pytestmark = pytest.mark.slow  # Processes are started.


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path)
    made.serve(hash="h1", answer="one")
    return made


def all_answers(node: Node) -> set[str]:
    """Return the answers of all workers: connections are spread, so ask until each has answered."""
    answers: dict[str, str] = {}
    while len(answers) < 2:
        answer, pid, *_ = node.ask()
        answers[pid] = answer
    return set(answers.values())


def reload(node: Node) -> dict[str, object]:
    found: dict[str, object] = json.loads(fetch(node.admin_port, "/reload", method="POST").body)
    return found


def test_serves_with_all_workers_and_is_ready(node: Node) -> None:
    with node:
        assert all_answers(node) == {"one"}
        assert node.ready() == (200, "ready")
        assert {w["configuration_hash"] for w in node.workers().values()} == {"h1"}


def test_sockets_without_reuseport_are_shared(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.settings["proxy_listen"] = "127.0.0.1:0"
    node.serve(hash="h1", answer="one")
    with node:
        assert node.ask()[0] == "one"
        os.kill(int(node.ask()[1]), signal.SIGKILL)
        node.log.wait_for("a worker ended and is replaced")
        assert node.ask()[0] == "one"


class TestRefusesToStart:
    def test_with_every_problem_and_78_for_a_bad_configuration(self, tmp_path: Path) -> None:
        node = Node(tmp_path, wait=False)
        node.serve(problem="bad thing")
        with node:
            assert node.end() == 78
        assert "conf.json:3:5: error[test/problem] services[0]: bad thing" in node.log.lines

    def test_when_a_worker_finds_a_problem(self, tmp_path: Path) -> None:
        node = Node(tmp_path, wait=False)
        node.serve(hash="h1", refused_by=1)
        with node:
            assert node.end() == 78
        assert any("worker says no" in line for line in node.log.lines)

    def test_when_the_workers_do_not_come_up(self, tmp_path: Path) -> None:
        node = Node(tmp_path, wait=False)
        node.serve(hash="h1", crash=3)
        with node:
            assert node.end() == 1
        assert any("a worker ended before it served anything" in line for line in node.log.lines)
        assert not any("is replaced" in line for line in node.log.lines)

    def test_when_the_loader_fails(self, tmp_path: Path) -> None:
        node = Node(tmp_path, wait=False)
        node.serve(exit=9)
        with node:
            assert node.end() == 1
        assert any("the loader ended with code 9" in line for line in node.log.lines)

    def test_when_an_address_is_taken(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            node = Node(tmp_path, wait=False, proxy_listen=f"127.0.0.1:{taken.getsockname()[1]} reuseport")
            node.serve(hash="h1")
            with node:
                assert node.end() == 1
        assert any("98: Address already in use" in line for line in node.log.lines)

    def test_when_another_gateway_has_the_address(self, tmp_path: Path) -> None:
        first = Node(tmp_path)
        first.serve(hash="h1")
        second = Node(tmp_path, wait=False)
        with first:
            second.settings["proxy_listen"] = f"127.0.0.1:{first.port} reuseport"
            with second:
                assert second.end() == 1
        assert any("98: Address already in use" in line for line in second.log.lines)


class TestLastGood:
    @pytest.fixture
    def node(self, tmp_path: Path) -> Node:
        return Node(tmp_path, on_invalid="last-good", state_folder=str(tmp_path / "state"))

    def test_is_served_when_the_file_is_invalid(self, node: Node) -> None:
        node.serve(hash="h1", answer="one")
        with node:
            node.serve(hash="h2", answer="two")
            node.log.wait_for(": reloaded ")
        node.serve(problem="bad thing")
        with node:
            assert node.ask()[0] == "two"
            assert "conf.json:3:5: error[test/problem] services[0]: bad thing" in node.log.lines
            assert json.loads(fetch(node.status_port, "/status/ready").body)["configuration"] == "last-good"
            node.serve(hash="h3", answer="three")
            node.log.wait_for(": reloaded ")
            assert node.ask()[0] == "three"
            assert node.ready() == (200, "ready")

    def test_without_one_the_start_fails(self, node: Node) -> None:
        node.serve(problem="bad thing")
        node.wait = False
        with node:
            assert node.end() == 78

    def test_is_not_kept_unless_asked_for(self, tmp_path: Path) -> None:
        node = Node(tmp_path, state_folder=str(tmp_path / "state"))
        node.serve(hash="h1", answer="one")
        with node:
            assert not (tmp_path / "state").exists()

    def test_a_folder_that_cannot_be_written_costs_a_warning(self, tmp_path: Path) -> None:
        (tmp_path / "state").write_text("in the way")
        node = Node(tmp_path, on_invalid="last-good", state_folder=str(tmp_path / "state"))
        node.serve(hash="h1", answer="one")
        with node:
            node.log.wait_for(r"\[warn\].*could not be kept")


class TestReload:
    def test_a_change_of_the_file_is_served_by_all(self, node: Node) -> None:
        with node:
            node.serve(hash="h2", answer="two")
            line = node.log.wait_for(r": reloaded ")
            assert "old_hash=h1 hash=h2" in line
            assert all_answers(node) == {"two"}

    def test_a_bad_file_leaves_the_old_one_serving(self, node: Node) -> None:
        with node:
            node.serve(problem="oh no")
            node.log.wait_for("rejected: the old configuration goes on serving")
            node.log.wait_for("conf.json:3:5: error.* oh no")
            assert all_answers(node) == {"one"}
            node.serve(hash="h3", answer="three")
            node.log.wait_for("reloaded old_hash=h1 hash=h3")

    def test_no_worker_moves_when_one_refuses(self, node: Node) -> None:
        with node:
            node.serve(hash="h2", answer="two", refused_by=1)
            node.log.wait_for("worker says no")
            assert all_answers(node) == {"one"}
            assert {w["configuration_hash"] for w in node.workers().values()} == {"h1"}

    def test_a_worker_that_dies_while_it_prepares_holds_nobody_up(self, node: Node) -> None:
        with node:
            pids = {w["pid"] for w in node.workers().values()}
            node.serve(hash="h2", answer="two", crash_in=0)
            node.log.wait_for(": reloaded ")
            assert all_answers(node) == {"two"}
            assert len(pids & {w["pid"] for w in node.workers().values()}) == 1

    def test_the_receipt_comes_when_all_serve(self, node: Node) -> None:
        node.settings["watch"] = "off"
        with node:
            node.serve(hash="h2", answer="two")
            receipt = reload(node)
            assert (receipt["outcome"], receipt["old_hash"], receipt["new_hash"]) == ("reloaded", "h1", "h2")
            assert {w["configuration_hash"] for w in node.workers().values()} == {"h2"}
            assert reload(node)["outcome"] == "unchanged"
            node.serve(problem="no")
            assert reload(node)["outcome"] == "rejected"

    def test_a_hangup_reloads(self, node: Node) -> None:
        node.settings["watch"] = "off"
        with node:
            node.serve(hash="h2", answer="two")
            node.process.send_signal(signal.SIGHUP)
            node.log.wait_for("reloaded old_hash=h1 hash=h2")

    def test_a_failing_loader_is_a_rejection(self, node: Node) -> None:
        with node:
            node.serve(exit=5)
            node.log.wait_for("the loader ended with code 5")
            assert all_answers(node) == {"one"}

    def test_warnings_are_logged(self, node: Node) -> None:
        with node:
            node.serve(hash="h2", warning="old name")
            node.log.wait_for(r"\[warn\].*old name")


class TestWorkers:
    def test_a_killed_worker_is_replaced_and_serves_what_is_current(self, node: Node) -> None:
        with node:
            node.serve(hash="h2", answer="two")
            node.log.wait_for(": reloaded ")
            before = node.workers()
            os.kill(before[0]["pid"], signal.SIGKILL)
            node.log.wait_for("a worker ended and is replaced .*code=-9")
            assert all_answers(node) == {"two"}
            after = node.workers()
            assert after[0]["restarts"] == 1
            assert after[1]["pid"] == before[1]["pid"]

    def test_connections_that_wait_for_a_dead_worker_are_served_by_its_replacement(
        self, tmp_path: Path
    ) -> None:
        node = Node(tmp_path, workers=1)
        node.serve(hash="h1", answer="one")
        with node:
            os.kill(node.workers()[0]["pid"], signal.SIGSTOP)
            waiting = [node.connect("/") for _ in range(5)]
            os.kill(node.workers()[0]["pid"], signal.SIGKILL)
            for sock in waiting:
                with sock:
                    assert b"one" in sock.recv(1000)

    def test_requests_are_counted_over_restarts(self, node: Node) -> None:
        with node:
            for _ in range(10):
                node.ask()
            assert json.loads(fetch(node.admin_port, "/status").body)["server"]["total_requests"] == 10
            os.kill(node.workers()[0]["pid"], signal.SIGKILL)
            node.log.wait_for("a worker ended and is replaced")
            assert json.loads(fetch(node.admin_port, "/status").body)["server"]["total_requests"] == 10

    def test_what_one_says_the_others_hear(self, node: Node) -> None:
        with node:
            speaker = node.ask("/say?hello")[1]
            heard = {pid: said for _, pid, _, said in (node.ask() for _ in range(60))}
            assert heard == {pid: "[]" if pid == speaker else "[hello]" for pid in heard}
            assert len(heard) == 2

    def test_signals_of_the_group_do_not_end_them(self, node: Node) -> None:
        with node:
            pid = node.workers()[0]["pid"]
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
                os.kill(pid, number)
            assert all_answers(node) == {"one"}
            assert node.workers()[0]["pid"] == pid

    def test_they_end_when_the_supervisor_is_gone(self, node: Node) -> None:
        with node:
            node.process.kill()
            node.log.wait_for("the supervisor has gone")
            node.end()
            # The log ends when the last process that holds its pipe has ended.
            while not node.log.ended:
                node.log.pause(1.0)

    def test_logs_are_reopened(self, node: Node) -> None:
        with node:
            node.process.send_signal(signal.SIGUSR1)
            for slot in (0, 1):
                node.log.wait_for(f"reopened by {slot}")


class TestStop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
    def test_requests_in_flight_are_finished(self, node: Node, number: signal.Signals) -> None:
        with node, node.connect("/slow?0.5") as sock:
            node.log.pause(0.1)
            node.process.send_signal(number)
            assert b"one" in sock.recv(1000)
            assert node.end() == 0
        assert {"closed by 0", "closed by 1"} <= set(node.log.lines)

    def test_connections_in_the_queue_are_served(self, tmp_path: Path) -> None:
        node = Node(tmp_path, workers=1)
        node.serve(hash="h1", answer="one")
        with node:
            pid = node.workers()[0]["pid"]
            os.kill(pid, signal.SIGSTOP)
            waiting = [node.connect("/slow?0.1") for _ in range(5)]
            node.process.send_signal(signal.SIGTERM)
            node.log.wait_for("stopping")
            os.kill(pid, signal.SIGCONT)
            for sock in waiting:
                with sock:
                    assert b"one" in sock.recv(1000)
            assert node.end() == 0

    def test_the_deadline_cuts_what_takes_too_long(self, node: Node) -> None:
        node.settings["drain_timeout"] = "200ms"
        with node, node.connect("/slow?30") as sock:
            node.log.pause(0.1)
            node.process.send_signal(signal.SIGTERM)
            assert sock.recv(1000) == b""
            assert node.end() == 0
            node.log.wait_for("requests in flight are cut")

    def test_an_interrupt_is_fast(self, node: Node) -> None:
        with node, node.connect("/slow?30") as sock:
            node.log.pause(0.1)
            node.process.send_signal(signal.SIGINT)
            assert sock.recv(1000) == b""
            assert node.end() == 0

    def test_an_interrupt_ends_a_drain(self, node: Node) -> None:
        node.settings["drain_timeout"] = "30s"
        with node, node.connect("/slow?30") as sock:
            node.log.pause(0.1)
            node.process.send_signal(signal.SIGTERM)
            node.log.wait_for("stopping")
            node.process.send_signal(signal.SIGINT)
            assert sock.recv(1000) == b""
            assert node.end() == 0

    def test_while_it_drains_it_is_not_ready_but_serves_for_a_while(self, node: Node) -> None:
        node.settings["drain_delay"] = "30s"
        with node:
            node.process.send_signal(signal.SIGTERM)
            node.log.wait_for("stopping")
            assert node.ready() == (503, "draining")
            assert node.ask()[0] == "one"

    def test_a_stop_does_not_wait_for_a_load(self, tmp_path: Path) -> None:
        node = Node(tmp_path, wait=False)
        node.serve(sleep=30)
        with node:
            node.note_ports()
            assert node.ready() == (503, "no configuration available (configuration hash is not initialized)")
            node.process.send_signal(signal.SIGTERM)
            assert node.end() == 0
