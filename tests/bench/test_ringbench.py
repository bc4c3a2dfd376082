#!/usr/bin/env python3
"""Runs ringbench as its users do and checks what it writes; no figure is judged, only that it is there."""
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

RINGBENCH = sys.argv[1]
ROWS = ["echo", "ecdsa", "ecdsa-recoverable", "schnorr", "inprocess"]
FIELDS = ["name", "link", "nonce", "count", "verified", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "p9999_ns", "max_ns",
          "per_s"]
scratch = tempfile.TemporaryDirectory()
os.environ["TMPDIR"] = scratch.name


def run(*arguments, status=0):
    done = subprocess.run([RINGBENCH, *arguments], capture_output=True, text=True, timeout=100)
    assert done.returncode == status, (arguments, done.returncode, done.stderr)
    left = glob.glob(scratch.name + "/ringbench-*")
    assert not left, f"left behind: {left}"
    return done


def check_rows(result, expected, timed):
    rows = {row["name"]: row for row in result["rows"]}
    assert [name for name in rows if name != "floor"] == expected, list(rows)
    for row in rows.values():
        missing = [field for field in FIELDS if field not in row]
        assert not missing, (row["name"], missing)
        assert row["verified"] == row["count"] >= row["timed"], row
        assert 0 < row["p50_ns"] <= row["p90_ns"] <= row["p99_ns"] <= row["max_ns"], row
        assert row["per_s"] > 0, row
        if row["name"] != "floor":
            assert row["timed"] == timed, row
    assert result["host"]["processor"]
    assert (result["floor_ns"] is None) == ("floor" not in rows)


def closed_loop():
    path = scratch.name + "/closed.json"
    done = run("--count", "200", "--rounds", "2", "--json", path)
    with open(path) as file:
        check_rows(json.load(file), ROWS, 400)
    assert done.stderr == "", done.stderr
    assert "\r" not in done.stdout and "verified" in done.stdout
    for name in ROWS:
        assert f"\n{name} " in done.stdout, name


def open_loop():
    path = scratch.name + "/run.hgrm"
    done = run("--rate", "5000", "--count", "200", "--rounds", "2", "--only", "echo,ecdsa", "--json", "-", "--hgrm", path)
    result = json.loads(done.stdout)
    check_rows(result, ["echo", "ecdsa"], 400)
    assert result["loop"] == "open"
    for name in ("echo", "ecdsa"):
        with open(f"{scratch.name}/run-{name}.hgrm") as file:
            lines = file.read().splitlines()
        assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
        assert lines[-4].split()[1:] == ["1.000000000000", "400"], lines[-4]
        assert lines[-1].startswith("#[Buckets =")


def rings():
    done = run("--rings", "--count", "64", "--rounds", "2", "--json", "-")
    result = json.loads(done.stdout)
    assert result["rings"][0]["name"] == "sentinel"
    for ring in result["rings"]:
        assert ring["one_way_million_per_s"] > 0, ring
    assert result["rings"][0]["round_trip_p50_ns"] > 0
    assert "64-byte messages" in run("--rings", "--count", "64", "--rounds", "1").stdout


def usage():
    for arguments in (["--count", "0"], ["--count", "many"], ["--only", "rsa"], ["--only", "floor"], ["--nonsense"],
                      ["stray"], ["--connect", "/nowhere"], ["--rings", "--rate", "5"], ["--link", "carrier-pigeon"]):
        done = run(*arguments, status=2)
        assert done.stdout == "" and "ringbench" in done.stderr, (arguments, done.stderr)
    assert "usage: ringbench" in run("--help").stdout
    assert run("--version").stdout.startswith("ringbench ")


def failures():
    done = run("--connect", scratch.name + "/no.sock", "--key", "k", status=1)
    assert "no.sock" in done.stderr and "sentineld" in done.stderr, done.stderr
    assert run("--json", scratch.name + "/no/such/dir", status=1).stderr != ""


def interrupted():
    process = subprocess.Popen([RINGBENCH, "--rounds", "1000"], stdout=subprocess.DEVNULL)
    while not glob.glob(scratch.name + "/ringbench-*/sentinel.sock"):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM
    assert not glob.glob(scratch.name + "/ringbench-*")


for test in (closed_loop, open_loop, rings, usage, failures, interrupted):
    test()
    print("ok", test.__name__)
