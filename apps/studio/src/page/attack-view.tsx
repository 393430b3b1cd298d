/** @file A model under attack: which, how, and what the attack finds while it finds it. */
import { useEffect, useRef } from "preact/hooks";
import { AttackForm } from "./attack-form.tsx";
import { AttackResult } from "./attack-result.tsx";
import { useStudio } from "./use-studio.ts";

/** The part of the page. */
export function AttackView() {
  const { state } = useStudio();
  const section = useRef<HTMLElement>(null);
  // Who comes with a model comes for this.
  const isAskedFor = state.address.model !== null;
  useEffect(() => {
    if (isAskedFor) section.current?.scrollIntoView();
  }, [isAskedFor]);
  return (
    <section ref={section} class="attacked" aria-label="Attack a model">
      <h2>Attack a model</h2>
      <p class="caption">
        A file of weights or an ONNX graph, a run folder, or one of the two networks above. Each test image goes through all attacks; what is left of accuracy
        builds up image by image. It is an upper bound: attacks that were not run may find more. The file stays in this browser, and nothing of it is run.
      </p>
      <AttackForm />
      {state.data && <AttackResult data={state.data} />}
    </section>
  );
}
