/**
 * @file A Slurm cluster of one node for campaigns: Debian's slurm-wlm and munge, started as root in a folder of its own.
 *
 * Its clients find it by the variable SLURM_CONF.
 */
import { spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "./redis-server.mjs";

/** Whether a cluster can be started here. */
export const hasSlurm = process.getuid?.() === 0 && existsSync("/usr/sbin/slurmctld") && existsSync("/usr/sbin/slurmd") && existsSync("/usr/sbin/munged");

/**
 * Starts the cluster.
 *
 * @param {string} folder
 * @param {readonly string[]} [more] Further lines of slurm.conf.
 */
export async function startSlurm(folder, more = []) {
  const at = (/** @type {string} */ name) => join(folder, name);
  for (const name of ["state", "spool", "munge"]) mkdirSync(at(name), { recursive: true });
  const id = (/** @type {string} */ flag) => Number(spawnSync("id", [flag, "munge"], { encoding: "utf8" }).stdout);
  writeFileSync(at("munge/key"), crypto.getRandomValues(new Uint8Array(128)), { mode: 0o400 });
  for (const name of ["munge", "munge/key"]) chownSync(at(name), id("-u"), id("-g"));
  const host = hostname().split(".")[0];
  writeFileSync(
    at("slurm.conf"),
    [
      ...[
        "ClusterName=one",
        `SlurmctldHost=${host}(127.0.0.1)`,
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        `AuthInfo=socket=${at("munge/socket")}`,
      ],
      ...[`SlurmctldPort=${await freePort()}`, `SlurmdPort=${await freePort()}`, `StateSaveLocation=${at("state")}`, `SlurmdSpoolDir=${at("spool")}`],
      ...[
        `SlurmctldPidFile=${at("slurmctld.pid")}`,
        `SlurmdPidFile=${at("slurmd.pid")}`,
        `SlurmctldLogFile=${at("slurmctld.log")}`,
        `SlurmdLogFile=${at("slurmd.log")}`,
      ],
      ...[
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU",
        "ReturnToService=2",
        "KillWait=5",
      ],
      ...["JobRequeue=1", "SchedulerParameters=sched_interval=1,requeue_setup_env_fail", ...more],
      `NodeName=${host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN`,
      `PartitionName=all Nodes=${host} Default=YES MaxTime=INFINITE State=UP OverTimeLimit=0`,
      "",
    ].join("\n"),
  );
  const environment = { ...process.env, SLURM_CONF: at("slurm.conf") };
  const quiet = /** @type {const} */ ("ignore");
  const munged = [
    "--foreground",
    `--key-file=${at("munge/key")}`,
    `--socket=${at("munge/socket")}`,
    `--pid-file=${at("munge/pid")}`,
    `--log-file=${at("munge/log")}`,
    `--seed-file=${at("munge/seed")}`,
  ];
  const daemons = [spawn("/usr/sbin/munged", munged, { uid: id("-u"), gid: id("-g"), stdio: quiet })];
  for (let i = 0; i < 100 && !existsSync(at("munge/socket")); i++) await delay(50);
  for (const name of ["slurmctld", "slurmd"]) daemons.push(spawn(`/usr/sbin/${name}`, ["-D"], { env: environment, stdio: quiet }));
  for (let i = 0; i < 200; i++) {
    if (spawnSync("sinfo", ["--noheader", "--format=%T"], { env: environment, encoding: "utf8", timeout: 2000 }).stdout.trim() === "idle") {
      // Whoever started it ends when its own work is done, and stops it then.
      for (const daemon of daemons) daemon.unref();
      return {
        environment,
        /** Ends it; resolves when it has, and its folder may go. */
        stop: () =>
          Promise.all(
            daemons.reverse().map((daemon) => {
              daemon.ref();
              const gone = daemon.exitCode ?? daemon.signalCode ?? new Promise((resolve) => daemon.once("exit", resolve));
              daemon.kill("SIGTERM");
              return gone;
            }),
          ),
      };
    }
    await delay(100);
  }
  for (const daemon of daemons) daemon.kill("SIGKILL");
  throw new Error(`the cluster did not start; see ${at("slurmctld.log")}`);
}
