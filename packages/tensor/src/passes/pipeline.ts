/** @file The passes in order: from a traced graph to kernels with places in memory. */
import { Node } from "../ir/graph.ts";
import { CPU, type Target } from "../ir/target.ts";
import { checkPhysical } from "./contractions/index.ts";
import { arrangeCrossing } from "./crossing.ts";
import { assignLayout } from "./layout.ts";
import { type KernelCall, lowerGraph } from "./lower.ts";
import { mergeSiblings } from "./merge.ts";
import { type MemoryPlan, planMemory } from "./plan-memory.ts";
import { simplify } from "./simplify.ts";
import { chooseHalf } from "./storage.ts";

export interface CompiledGraph {
  readonly calls: readonly KernelCall[];
  readonly plan: MemoryPlan;
  /** Values that are float16 in memory. */
  readonly half: ReadonlySet<Node>;
  /** The nodes whose buffers are the results, one per result, all distinct. */
  readonly outputs: readonly Node[];
}

export function compileGraph(inputs: readonly Node[], outputs: readonly Node[], donated: readonly boolean[], target: Target = CPU): CompiledGraph {
  const logical = simplify(outputs);
  const physical = assignLayout(logical, target);
  checkPhysical(physical);
  const results = distinct(simplify(physical));
  const calls = mergeSiblings(lowerGraph(results, target), target);
  const half = target.half ? chooseHalf(calls, results) : new Set<Node>();
  const plan = planMemory({ calls, inputs, outputs: results, donated, half, target });
  return { calls: target.crossing ? calls.map(arranged) : calls, plan, half, outputs: results };
}

/** The memory plan recognises what may be computed in place in the form before this. */
function arranged(call: KernelCall): KernelCall {
  return call.kernel.kind === "loop" ? { ...call, kernel: arrangeCrossing(call.kernel) } : call;
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
