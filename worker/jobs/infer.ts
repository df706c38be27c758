import { chatOf, type JobPayload, type JobTask, STORED_IMAGE } from '../../src/core/jobs/job-request.ts';
import { readStructuredCaption } from '../../src/core/jobs/structured-caption.ts';
import { JOB_TRY_TIMEOUT_SECONDS } from '../../src/core/limits.ts';
import { chatForm } from '../../src/core/protocol/answer-form.ts';
import { toWireError } from '../../src/core/protocol/failure.ts';
import { imageTaskForm } from '../../src/core/protocol/image-task-answer.ts';
import type { Call } from '../../src/core/tenants/account.ts';
import { defaultModel, routeModel } from '../../src/core/tenants/route-model.ts';
import type { TenantSettings } from '../../src/core/tenants/settings.ts';
import { answerChat } from '../chat-completions.ts';
import type { Deps } from '../deps.ts';
import { enclose } from '../enclosed-files.ts';
import { failureOf } from '../error-response.ts';
import { modelChain } from '../model-chain.ts';
import { sightOfModel } from '../named-bundles.ts';
import { openRequest } from '../request-context.ts';
import { boundAnswer, callsOf } from '../tenants/admit.ts';
import { tenantOwner } from '../owner.ts';
import type { ReadUpload } from '../uploads.ts';
import type { Upstream } from '../upstream-config.ts';

export interface Inference {
  /** The answer in its task's own form, and how it was made. */
  result: Record<string, unknown>;
}

export interface InferSeams {
  deps: Deps;
  /** Its id. */
  tenant: string;
  settings: TenantSettings;
  /** A new id for this try. */
  attempt: string;
  uploads: ReadUpload;
  /** Told what this try cost, be it answered or failed. */
  report: (calls: Call[]) => Promise<void>;
  waitUntil: (work: Promise<unknown>) => void;
}

/** A job waits for a server that starts from zero as long as any client may. */
const PATIENT = { 'x-stainless-timeout': String(JOB_TRY_TIMEOUT_SECONDS) };

/** Asks the model a job's question, by the same recipe as every request. Throws what the recipe throws. */
export async function infer(
  payload: JobPayload,
  image: Uint8Array<ArrayBuffer> | null,
  { deps, tenant, settings, attempt, uploads, report, waitUntil }: InferSeams,
): Promise<Inference> {
  const { task } = payload;
  const chat = boundAnswer(
    chatOf(payload, {
      defaultModel: (of: JobTask) => defaultModel(settings, of, deps.config.model),
      prompts: deps.config.taskPrompts,
    }),
    settings,
  );
  const context = openRequest(
    new Request('https://job.invalid/', { method: 'POST', headers: PATIENT }),
    attempt,
    deps,
    {
      waitUntil,
      header: () => undefined,
    },
  );
  context.owner = tenantOwner(tenant, settings);
  context.uploads = uploads;
  const { record, stopwatch } = context;
  let calls: Call[] = [];
  record.note({ route: 'job' });
  record.afterwards((cost) => {
    calls = callsOf(cost);
  });
  try {
    const route = routeModel(settings, chat, task);
    const response = await answerChat(
      {
        chat,
        task,
        form: task === 'chat' ? chatForm : imageTaskForm(task, 'json'),
        route,
        enclosed: enclose(STORED_IMAGE, image),
      },
      deps,
      context,
    );
    const answer = await response.json<Record<string, unknown>>();
    record.close({ how: 'answered', status: 200 }, 0);
    return {
      result: {
        ...answer,
        ...structuredPart(payload, answer),
        made: await howMade(deps, modelChain(chat, deps.config, route), stopwatch.spent()),
      },
    };
  } catch (error) {
    record.close({ how: 'failed', status: toWireError(failureOf(error)).status, error }, 0);
    throw error;
  } finally {
    await report(calls);
  }
}

function structuredPart({ fields }: JobPayload, answer: Record<string, unknown>): { caption?: object | null } {
  return fields['structured'] === true ? { caption: readStructuredCaption(String(answer['text'])) } : {};
}

/** Timings, and which vision weights made the embeddings, where they are made here. */
async function howMade(deps: Deps, [own = []]: readonly Upstream[][], steps: Record<string, number>): Promise<object> {
  const embeds = own.find(({ wires }) => wires.includes('image_embeds'));
  const timings = Object.fromEntries(Object.entries(steps).map(([step, ms]) => [`${step}_ms`, Math.round(ms)]));
  return {
    timings,
    vision: embeds === undefined ? null : (await sightOfModel(deps, embeds).bundle.manifest()).vision.sha256,
  };
}
