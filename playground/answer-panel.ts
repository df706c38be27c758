import { AskError, type AnswerEvent } from './ask.ts';
import { inBytes, inMs, showBars } from './bars.ts';
import { element, make } from './dom.ts';
import { allStages, readServerTiming, type Stage } from './timing.ts';
import type { WireForm, WireSizes } from './wire-sizes.ts';

const STAGE_NAMES = new Map([
  ['receive', 'receive request'],
  ['fetch', 'get picture'],
  ['decode', 'decode and resize'],
  ['embed', 'embed patches'],
  ['encode', 'encode PNG'],
  ['upstream', 'model server'],
  ['wait', 'until first text'],
  ['answer', 'answer'],
]);

const FORM_NAMES: [WireForm, string][] = [
  ['original', 'as given'],
  ['pixels', 'pixels, PNG'],
  ['image_embeds', 'embeddings'],
];

/** Below it a rate of tokens says more of buffers than of the model. */
const RATE_MIN_SECONDS = 0.1;

/** One answer being shown; `events` until one of `ended`, `failed` and `stopped`. */
export interface AnswerPanel {
  begin(): void;
  event(event: AnswerEvent): void;
  ended(sizes: WireSizes | null): void;
  failed(error: unknown): void;
  stopped(): void;
}

/** @param now milliseconds on a clock that never goes back. */
export function createAnswerPanel(now: () => number): AnswerPanel {
  const card = element('answer-card', HTMLElement);
  const answer = element('answer', HTMLElement);
  const facts = element('facts', HTMLElement);
  const fault = element('error', HTMLElement);
  const status = element('status', HTMLElement);
  const time = element('time', HTMLElement);
  const wire = element('wire', HTMLElement);

  let asked = 0;
  let firstText: number | null = null;
  let stages: Stage[] = [];
  let end: Extract<AnswerEvent, { kind: 'end' }> | null = null;
  let requestId: string | null = null;
  let used: WireForm | null = null;

  /** On a phone the answer is below the picture; there it goes to the top, with room to grow. */
  function bringIntoView(): void {
    if (card.getBoundingClientRect().bottom > innerHeight) {
      card.scrollIntoView({ block: 'start' });
    }
  }

  function close(said: string): void {
    answer.setAttribute('aria-busy', 'false');
    status.textContent = said;
  }

  function showFacts(ended: number): void {
    const { usage = null, finishReason = null } = end ?? {};
    const seconds = (ended - (firstText ?? ended)) / 1000;
    const perSecond =
      usage !== null && seconds >= RATE_MIN_SECONDS ? Math.round((usage.completion_tokens - 1) / seconds) : 0;
    const told = [
      ...(usage === null ? [] : [`${usage.prompt_tokens} tokens read`, `${usage.completion_tokens} written`]),
      ...(perSecond > 0 ? [`${perSecond} a second`] : []),
      ...(finishReason === 'length' ? ['cut at the most tokens'] : []),
    ];
    const id = requestId === null ? [] : [make('span', 'id', `request ${requestId}`)];
    facts.replaceChildren(told.join(' · '), ...id);
  }

  return {
    begin() {
      [asked, firstText, stages, end, requestId] = [now(), null, [], null, null];
      answer.replaceChildren();
      answer.setAttribute('aria-busy', 'true');
      facts.textContent = '';
      [fault.hidden, time.hidden, wire.hidden] = [true, true, true];
      fault.replaceChildren();
      status.textContent = 'Asking';
      bringIntoView();
    },
    event(event) {
      if (event.kind === 'opened') {
        stages = readServerTiming(event.serverTiming);
        ({ wire: used } = event);
        requestId = event.requestId;
      } else if (event.kind === 'text') {
        answer.append(event.text);
        if (firstText === null) {
          firstText = now();
          // The picture above has taken its size by now.
          bringIntoView();
        }
      } else {
        end = event;
      }
    },
    ended(sizes) {
      const ended = now();
      close(`Answer: ${answer.textContent}`);
      showFacts(ended);
      showTime(allStages(stages, { asked, firstText, ended }));
      if (sizes !== null) {
        showForms(sizes, used);
        wire.hidden = false;
      }
      time.hidden = false;
    },
    failed(error) {
      close('');
      const said = error instanceof AskError ? error : null;
      const { status: code = null, error: wrong = null, requestId: id = null } = said ?? {};
      const kind = [code, wrong?.code].filter((part) => part !== null && part !== undefined).join(' ');
      const message = error instanceof Error ? error.message : String(error);
      const half = firstText === null ? [] : [make('p', '', 'The text above is not the whole answer.')];
      const detail = [wrong?.param, id === null ? null : `request ${id}`].filter(
        (part) => part !== null && part !== undefined,
      );
      fault.replaceChildren(
        make('p', '', make('strong', '', kind), kind === '' ? '' : ' ', message),
        ...half,
        ...(detail.length === 0 ? [] : [make('p', '', detail.join(' · '))]),
      );
      fault.hidden = false;
      bringIntoView();
    },
    stopped() {
      close('Stopped');
      facts.textContent = 'Stopped: the text above is not the whole answer.';
    },
  };
}

function showTime(stages: readonly Stage[]): void {
  const total = stages.reduce((sum, { ms }) => sum + ms, 0);
  let at = 0;
  const rows = stages.map(({ name, ms }) => {
    const row = { name: STAGE_NAMES.get(name) ?? name, number: inMs(ms), start: at / total, length: ms / total };
    at += ms;
    return row;
  });
  showBars(element('stages', HTMLElement), rows);
  element('time-note', HTMLElement).textContent = `${inMs(total)} in all, ${explain(stages, total)}`;
}

/** What of a request's time wants a word. */
function explain(stages: readonly Stage[], total: number): string {
  const ms = (stage: string): number | undefined => stages.find(({ name }) => name === stage)?.ms;
  if (ms('decode') === 0) {
    return 'but Cloudflare’s clock stands still while code runs: computing shows as waiting.';
  }
  if ((ms('receive') ?? 0) > total / 3) {
    return 'the first row mostly for a new isolate that loads its runtime and patch embedding.';
  }
  return 'the last two rows by this page’s clock.';
}

function showForms(sizes: WireSizes, used: WireForm | null): void {
  const largest = Math.max(...Object.values(sizes));
  const rows = FORM_NAMES.flatMap(([form, name]) => {
    const bytes = sizes[form];
    const row = { name: form === used ? `${name}, sent` : name, start: 0, used: form === used };
    return bytes === undefined ? [] : [{ ...row, number: inBytes(bytes), length: bytes / largest }];
  });
  showBars(element('forms', HTMLElement), rows);
}
