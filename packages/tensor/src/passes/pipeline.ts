/** @file The passes in order: from a traced graph to kernels with places in memory. */
import { Node } from "../ir/graph.ts";
import type { Kernel } from "../ir/kernel.ts";
import { NodeKinds } from "../ir/node-kinds.ts";
import { structuralKey } from "../ir/structure.ts";
import { CPU, type Target } from "../ir/target.ts";
import { chainCalls } from "./chains.ts";
import { checkPhysical } from "./contractions/index.ts";
import { arrangeCrossing } from "./crossing.ts";
import { arrangeFromInputs } from "./from-inputs.ts";
import { assignLayout } from "./layout.ts";
import { type KernelCall, lowerGraph } from "./lower.ts";
import { mergeSiblings } from "./merge.ts";
import { type MemoryPlan, planMemory } from "./plan-memory.ts";
import { simplify } from "./simplify.ts";
import { chooseHalf } from "./storage.ts";

export interface CompiledGraph {
  /** Equal kernels are one object. */
  readonly calls: readonly KernelCall[];
  readonly plan: MemoryPlan;
  /** Values that are float16 in memory. */
  readonly half: ReadonlySet<Node>;
  /** The nodes whose buffers are the results, one per result, all distinct. */
  readonly outputs: readonly Node[];
}

export function compileGraph(inputs: readonly Node[], outputs: readonly Node[], donated: readonly boolean[], target: Target = CPU): CompiledGraph {
  const kinds = new NodeKinds();
  const logical = simplify(outputs, kinds);
  const physical = assignLayout(logical, target);
  checkPhysical(physical);
  const results = distinct(simplify(physical, kinds));
  const calls = arrangeFromInputs(chainCalls(mergeSiblings(lowerGraph(results, target, kinds), target), results, target), results);
  const half = target.half ? chooseHalf(calls, results) : new Set<Node>();
  const plan = planMemory({ calls, inputs, outputs: results, donated, half, target });
  return { calls: withFinalKernels(calls, target), plan, half, outputs: results };
}

/** The memory plan recognises what may be computed in place in the form before loops are arranged. */
function withFinalKernels(calls: readonly KernelCall[], { crossing }: Target): KernelCall[] {
  const final = new Map<Kernel, Kernel>();
  const equal = new Map<string, Kernel>();
  return calls.map((call) => {
    let kernel = final.get(call.kernel);
    if (!kernel) {
      kernel = crossing && call.kernel.kind === "loop" ? arrangeCrossing(call.kernel) : call.kernel;
      const key = structuralKey(kernel);
      kernel = equal.get(key) ?? kernel;
      equal.set(key, kernel);
      final.set(call.kernel, kernel);
    }
    return kernel === call.kernel ? call : { ...call, kernel };
  });
}

/** A result that is a leaf, or a result twice, needs a buffer of its own: a copy. */
function distinct(outputs: readonly Node[]): Node[] {
  const seen = new Set<Node>();
  return outputs.map((output) => {
    if (!seen.has(output) && output.op !== "input" && output.op !== "constant") {
      seen.add(output);
      return output;
    }
    return new Node("alias", [output], {}, output.shape, output.dtype);
  });
}
