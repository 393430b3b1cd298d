/** @file The studio's parts that need no browser: turns of two trainings, moments that are kept, the address. */
import { crc32, type JudgedModel } from "@gradalign/runs";
import { describe, expect, test } from "vitest";
import { bounded } from "../src/bounded.ts";
import { readAddress, START, settingsOf, writeAddress } from "../src/page/address.ts";
import { type AttackForm, AttackRoom } from "../src/page/attack-room.ts";
import { PRESETS } from "../src/page/presets.ts";
import { choiceOf } from "../src/page/settings-of-run.ts";
import { trainConfigOf } from "../src/train-config.ts";
import { Moments } from "../src/training/moments.ts";
import { takeTurns } from "../src/training/turns.ts";

const turn = () => new Promise((resolve) => setTimeout(resolve));

describe("turns", () => {
  test("keep two level: whoever is ahead waits for the other", async () => {
    const turns = takeTurns(["a", "b"], null);
    const steps: string[] = [];
    const run = async (who: string, count: number) => {
      for (let i = 1; i <= count; i++) {
        steps.push(`${who}${i}`);
        await turns.wait(who, i / count);
      }
      turns.leave(who);
    };
    await Promise.all([run("a", 4), run("b", 2)]);
    // b's steps are twice as long a way.
    expect(steps).toEqual(["a1", "b1", "a2", "a3", "b2", "a4"]);
  });

  test("one that leaves is waited for no more", async () => {
    const turns = takeTurns(["a", "b"], null);
    let gone = false;
    const ahead = turns.wait("a", 0.5).then(() => {
      gone = true;
    });
    await turn();
    expect(gone).toBe(false);
    turns.leave("b");
    await ahead;
    expect(gone).toBe(true);
  });
});

describe("moments", () => {
  const snapshot = (iteration: number, floats = 10) => ({
    iteration,
    epoch: iteration / 10,
    tensors: new Map(
      ["params/w", "optimizer/m"].map((name) => [name, { dtype: "float32" as const, shape: [floats], data: new Float32Array(floats) }] as const),
    ),
  });

  test("are bounded, from the first to the last, and hold the model alone", () => {
    const moments = new Moments();
    for (let i = 0; i <= 5000; i++) {
      moments.add(snapshot(i));
      expect(moments.count).toBeLessThanOrEqual(256);
    }
    expect(moments.count).toBeGreaterThanOrEqual(128);
    expect(moments.last?.iteration).toBe(5000);
    expect(moments.at(-1)?.iteration).toBe(0);
    expect(moments.at(123.4)?.epoch).toBeLessThanOrEqual(123.4);
    expect(moments.at(123.4)?.epoch).toBeGreaterThan(123.4 - 8);
    expect([...(moments.last?.tensors.keys() ?? [])]).toEqual(["params/w"]);
  });

  test("of large models are fewer", () => {
    const moments = new Moments();
    for (let i = 0; i < 40; i++) moments.add(snapshot(i, 2 ** 20));
    expect(moments.count).toBeLessThanOrEqual(16);
  });

  test("after a step that is done again are gone", () => {
    const moments = new Moments();
    for (const i of [0, 10, 20, 10]) moments.add(snapshot(i));
    expect(moments.count).toBe(2);
  });
});

test("what is bounded keeps the first and the last, evenly", () => {
  expect(bounded([1, 2, 3], 3, (x) => x)).toEqual([1, 2, 3]);
  expect(bounded([1, 2, 3, 4], 3, (x) => x)).toEqual([1, 3, 4]);
});

describe("an address", () => {
  test.each(PRESETS)("keeps the preset $id", ({ id, choice }) => {
    const address = {
      ...START,
      choice,
      claim: id,
      backend: "wasm" as const,
      pace: 30,
      image: 7,
      at: 12.5,
      zeroed: { left: [0, 3], right: [] },
      direction: "pgd" as const,
      data: "https://example.org/data/list.json",
    };
    const { address: again, problems } = readAddress(writeAddress(address));
    expect(problems).toEqual([]);
    expect(again).toEqual(address);
  });

  test("that is empty is the paper's first claim", () => {
    expect(readAddress("")).toEqual({ address: START, problems: [] });
    expect(START.choice).toMatchObject({ left: { method: "fgsm" }, right: { method: "fgsm-gradalign" } });
  });
});

test("the checksum is CRC-32", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});

describe("settings of a training that came from elsewhere", () => {
  const data = { name: "cifar10", flip: true, crop: 4 };

  test.each(PRESETS)("give the preset $id again, without what the recipe has anyway", ({ choice }) => {
    const configs = { left: trainConfigOf(settingsOf(choice, "left"), data), right: trainConfigOf(settingsOf(choice, "right"), data) };
    const found = choiceOf(configs, data);
    expect({ left: trainConfigOf(settingsOf(found, "left"), data), right: trainConfigOf(settingsOf(found, "right"), data) }).toEqual(configs);
    for (const side of ["shared", "left", "right"] as const) expect(Object.keys(found[side]).length).toBeLessThanOrEqual(5);
  });
});

describe("the model to attack", () => {
  const chosen = (...paths: string[]) => {
    const room = new AttackRoom(() => {});
    room.choose({ type: "files", files: paths.map((path) => ({ path, file: new Blob([]) })) });
    return room.state.problem;
  };

  test("is one file, with its weights or its folder", () => {
    expect(chosen("cnn.pth", "tiny.safetensors")).toBe("a model must be one file, got cnn.pth and tiny.safetensors; drop one of them");
    expect(chosen("a.bin", "b.bin", "c.bin")).toBe("a model must be one file, got a.bin and b.bin and 1 more; drop one of them");
    for (const files of [
      ["weights.bin", "graph.onnx"],
      ["run/config.json", "run/checkpoints/last.safetensors", "run/checkpoints/best.safetensors"],
      ["run.tar"],
    ])
      expect(chosen(...files)).toBeNull();
  });

  test("is told of in the form's words", () => {
    const room = new AttackRoom(() => {});
    room.choose({ type: "files", files: [] });
    room.start("wasm");
    const model = { file: "cnn.pth" } as JudgedModel;
    room.receive({ type: "attack-began", attack: 1, model, notes: ["if its own code normalises them, give --mean and --std"], count: 1 });
    expect(room.state.notes).toEqual(["if its own code normalises them, give mean and std"]);
  });
});

describe("the form of an attack", () => {
  const said = (form: Partial<AttackForm>): string | null => {
    const room = new AttackRoom(() => {});
    room.choose({ type: "files", files: [] });
    room.write(form);
    room.start("wasm");
    // What the worker answers is in the command's words.
    if (room.state.problem === null) room.receive({ type: "attack-failed", attack: 1, message: `--arch (="nope") must be one of a; name it with --arch` });
    return room.state.problem;
  };

  test("says in its own words what is wrong", () => {
    expect(said({ attack: " " })).toBe("attack must be the name of one, e.g. pgd-50-10 or autoattack.");
    expect(said({ std: "0" })).toBe(`std (="0") must be numbers above 0 with commas between, e.g. 0.49,0.48,0.45.`);
    expect(said({ arch: "nope" })).toBe(`network (="nope") must be one of a; name it under “network”`);
  });
});
