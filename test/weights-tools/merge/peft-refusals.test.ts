import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/endpoint/random.ts';
import { tempFolder, VORA_AUX, VORA_RANDOM } from '../../support/checkpoint-folder.ts';
import {
  floatsOf,
  linearsOf,
  loraTensors,
  randomTensor,
  type Tensors,
  writeAdapter,
  writeBase,
} from '../../support/peft-folder.ts';
import { refused } from '../../support/refused-merge.ts';
import { runInProcess } from '../../support/run-cli.ts';

const Q = 'model.layers.0.self_attn.q_proj';
const PREFIX = 'base_model.model.';
const targets = linearsOf().filter(([module]) => module.endsWith('q_proj'));

/** Merges an adapter that is sound but for what `change` and `config` do to it; the message of its refusal. */
async function refusal(
  config: object,
  change: (tensors: Tensors) => unknown = () => {},
  ...args: string[]
): Promise<string> {
  const next = createRandom(3);
  const tensors = loraTensors(next, targets);
  change(tensors);
  return refused(1, '--base', await writeBase(next), '--adapter', await writeAdapter(tensors, config), ...args);
}

describe('a config of another function than W + s·B·A', () => {
  it.each<[object, string]>([
    [{ peft_type: 'IA3' }, 'peft_type: found "IA3", expected "LORA": other adapters are not B·A'],
    [
      { init_lora_weights: 'pissa_niter_16' },
      'init_lora_weights: found "pissa_niter_16", expected an initialisation that',
    ],
    [{ init_lora_weights: 'olora' }, 'moves weights of the base into the adapter'],
    [{ init_lora_weights: 'corda' }, 'found "corda"'],
    [{ init_lora_weights: 'loftq', loftq_config: { loftq_bits: 4 } }, 'found "loftq"'],
    [{ init_lora_weights: 'lora_ga' }, 'found "lora_ga"'],
    [{ init_lora_weights: 'of_tomorrow' }, 'found "of_tomorrow"'],
    [{ alora_invocation_tokens: [5] }, 'alora_invocation_tokens: found [5], expected nothing: aLoRA acts only after'],
    [{ layer_replication: [[0, 2]] }, 'layer_replication'],
    [{ use_qalora: true }, 'QA-LoRA pools its inputs'],
    [{ arrow_config: { top_k: 3 } }, 'Arrow picks adapters token by token'],
    [{ use_bdlora: { nblocks: 2 } }, 'BD-LoRA'],
    [{ kasa_config: { beta: 1 } }, 'KaSA'],
    [{ monteclora_config: { num_samples: 2 } }, 'MonteCLoRA'],
    [{ target_parameters: ['experts.down_proj'] }, 'target_parameters'],
    [{ use_something_new: true }, 'use_something_new: found true, expected nothing: an unknown field may change'],
    [{ r: 0 }, 'r: found 0'],
    [{ r: 1e9 }, 'r: found 1000000000, expected number to be <=65536'],
    [{ rank_pattern: { '(a+)+': 3 } }, 'rank_pattern: found "(a+)+", expected module names or patterns'],
    [{ alpha_pattern: { '[': 3 } }, 'alpha_pattern: found "[", expected a regular expression'],
    // Python's own: JavaScript would take them for other letters, and the module's alpha for the common one.
    [{ alpha_pattern: { '\\Amodel.layers.0.self_attn.q_proj': 3 } }, 'that Python and JavaScript read alike'],
    [{ rank_pattern: { 'q_{,1}proj': 3 } }, 'that Python and JavaScript read alike'],
  ])('%j', async (config, message) => {
    expect(await refusal(config)).toContain(message);
  });

  it('but what changes nothing is taken, and a residual base where it is said to be one', async () => {
    const next = createRandom(3);
    const [base, tensors] = [await writeBase(next), loraTensors(next, targets)];
    const config = { init_lora_weights: 'pissa', use_something_new: false, arrow_config: null, loftq_config: {} };
    const adapter = await writeAdapter(tensors, { ...config, lora_dropout: 0.1, eva_config: { rho: 2 } });
    const out = join(await tempFolder(), 'merged');
    const args = ['merge', '--base', base, '--adapter', adapter, '--out', out, '--base-is-residual'];
    expect((await runInProcess(...args)).code).toBe(0);
  });
});

describe('tensors', () => {
  it.each<[string, object, (tensors: Tensors) => unknown, string]>([
    ['of another rank', { r: 4 }, () => {}, `${PREFIX}${Q}.lora_A.weight: found [3, 12], expected [4, 12]`],
    [
      'of another width',
      {},
      (tensors) => tensors.set(`${PREFIX}${Q}.lora_B.weight`, randomTensor(createRandom(1), [10, 3])),
      'lora_B.weight: found [10, 3], expected [12, 3]',
    ],
    [
      'with one half missing',
      {},
      (tensors) => tensors.delete(`${PREFIX}${Q}.lora_B.weight`),
      `lora_A.weight: found it alone, expected both lora_A and lora_B of ${Q}`,
    ],
    [
      'of a module that the base lacks',
      {},
      (tensors) =>
        tensors.set(`${PREFIX}model.layers.7.mlp.up_proj.lora_A.weight`, randomTensor(createRandom(1), [3, 12])),
      'layers.7.mlp.up_proj.lora_A.weight: found a tensor that no part of the model takes',
    ],
    [
      'with a name that is none of PEFT',
      {},
      (tensors) => tensors.set('model.score.weight', randomTensor(createRandom(1), [2, 12])),
      'model.score.weight: found a tensor that no part',
    ],
    [
      'missing where target_modules names a module',
      { target_modules: ['q_proj', 'v_proj'] },
      () => {},
      'model.layers.0.self_attn.v_proj: found no adapter, expected one: target_modules of',
    ],
    [
      'missing where modules_to_save names a module',
      { modules_to_save: ['norm'] },
      () => {},
      'model.norm: found no weight, expected one: modules_to_save of',
    ],
    [
      'missing where lora_bias says that each linear has one',
      { lora_bias: true },
      () => {},
      `${Q}: found no lora_B.bias, expected one: lora_bias of`,
    ],
    [
      'missing where tokens were trained',
      { trainable_token_indices: [2, 3] },
      () => {},
      'trainable_token_indices: found no trainable_tokens_delta, expected the rows it names',
    ],
    [
      'of DoRA without use_dora',
      {},
      (tensors) => tensors.set(`${PREFIX}${Q}.lora_magnitude_vector`, randomTensor(createRandom(1), [12])),
      'found a lora_magnitude_vector, expected none: use_dora is false',
    ],
    ['missing with use_dora', { use_dora: true }, () => {}, 'found no lora_magnitude_vector, expected one'],
    [
      'that are a bias for a linear without one',
      {},
      (tensors) => {
        const o = Q.replace('q_proj', 'o_proj');
        loraTensors(createRandom(1), [[o, [12, 12]]]).forEach((tensor, name) => tensors.set(name, tensor));
        tensors.set(`${PREFIX}${o}.lora_B.bias`, randomTensor(createRandom(1), [12]));
      },
      'lora_B.bias: found a bias, expected none: the base has no model.layers.0.self_attn.o_proj.bias',
    ],
    [
      'that are rows of tokens past the vocabulary',
      { trainable_token_indices: [2, 23] },
      (tensors) =>
        tensors.set(
          `${PREFIX}model.embed_tokens.token_adapter.trainable_tokens_delta`,
          randomTensor(createRandom(1), [2, 12]),
        ),
      'trainable_token_indices: found id 23, expected ids below 23',
    ],
    [
      'of a grown embedding without a grown head',
      {},
      (tensors) => tensors.set(`${PREFIX}model.embed_tokens.weight`, randomTensor(createRandom(1), [25, 12])),
      'lm_head.weight: found [23, 12], expected [25, 12]',
    ],
    [
      'of whole numbers',
      {},
      (tensors) =>
        tensors.set(`${PREFIX}${Q}.lora_A.weight`, { dtype: 'I32', shape: [3, 12], bytes: new Uint8Array(4 * 36) }),
      'lora_A.weight: found I32, expected F32, BF16 or F16',
    ],
  ])('%s', async (_name, config, change, message) => {
    expect(await refusal(config, change)).toContain(message);
  });
});

describe('bases', () => {
  async function mergeOn(baseConfig: object, named: string | null, folderName?: string, ...args: string[]) {
    const next = createRandom(3);
    const base = await writeBase(next, baseConfig, folderName);
    const adapter = await writeAdapter(loraTensors(next, targets), { base_model_name_or_path: named });
    const out = join(await tempFolder(), 'merged');
    return runInProcess('merge', '--base', base, '--adapter', adapter, '--out', out, ...args);
  }

  it.each([
    ['its config.json', { _name_or_path: 'Qwen/Qwen2.5-1.5B' }, 'base'],
    ['its folder', {}, 'Qwen2.5-1.5B'],
  ])('a base that is another by %s', async (_name, config, folder) => {
    const named = 'Qwen/Qwen2.5-1.5B-Instruct';
    const { code, stderr } = await mergeOn(config, named, folder);
    expect(code).toBe(1);
    expect(stderr).toContain(`base_model_name_or_path: found ${named}, expected `);
    expect((await mergeOn(config, named, folder, '--trust-base')).code).toBe(0);
  });

  it('an adapter of a quantized base', async () => {
    const { code, stderr } = await mergeOn({}, 'unsloth/qwen2.5-1.5b-instruct-bnb-4bit');
    expect(code).toBe(1);
    expect(stderr).toContain('a quantized model: the adapter corrects its rounding too');
  });

  it('a quantized base', async () => {
    const { code, stderr } = await mergeOn({ quantization_config: { quant_method: 'gptq' } }, null);
    expect(code).toBe(1);
    expect(stderr).toContain('quantization_config: found gptq, expected none');
  });

  it('an architecture that is not supported', async () => {
    const next = createRandom(3);
    const base = await writeBase(next);
    await writeFile(join(base, 'config.json'), JSON.stringify({ model_type: 'gemma3' }));
    const adapter = await writeAdapter(loraTensors(next, targets));
    expect(await refused(1, '--base', base, '--adapter', adapter)).toContain('model_type: found "gemma3"');
  });

  it('but takes the named one without a word, and warns where the name says nothing', async () => {
    const named = await mergeOn({}, 'Qwen/Qwen2.5-1.5B', 'Qwen2.5-1.5B');
    expect([named.code, named.stderr.includes('warning')]).toEqual([0, false]);
    const unknown = await mergeOn({}, 'Qwen/Qwen2.5-1.5B');
    expect(unknown.code).toBe(0);
    expect(unknown.stderr).toContain('is that model was compared by shapes only');
  });
});

describe('several adapters', () => {
  const dora = (tensors: Tensors): unknown =>
    targets.forEach(([module, [rows]]) =>
      tensors.set(`${PREFIX}${module}.lora_magnitude_vector`, randomTensor(createRandom(1), [rows])),
    );

  it('DoRA with a share, with TIES, or beside another', async () => {
    const next = createRandom(3);
    const base = await writeBase(next);
    const tensors = loraTensors(next, targets);
    dora(tensors);
    const adapter = await writeAdapter(tensors, { use_dora: true });
    const other = await writeAdapter(loraTensors(next, targets));
    const refuse = (...args: string[]): Promise<string> => refused(1, '--base', base, ...args);
    expect(await refuse('--adapter', `${adapter}:0.5`)).toContain('found DoRA with weight 0.5, expected weight 1');
    expect(await refuse('--adapter', adapter, '--method', 'ties')).toContain('found DoRA with --method ties');
    const both = await refuse('--adapter', adapter, '--adapter', other);
    expect(both).toContain('found DoRA beside another adapter of the same weight');
  });

  it('two whole weights of one name', async () => {
    const next = createRandom(3);
    const base = await writeBase(next);
    const whole = async (): Promise<string> => {
      const tensors = loraTensors(next, targets);
      return writeAdapter(tensors.set(`${PREFIX}model.norm.weight`, randomTensor(next, [12])));
    };
    const message = await refused(1, '--base', base, '--adapter', await whole(), '--adapter', await whole());
    expect(message).toContain('found another whole model.norm.weight, expected one');
  });

  it('two changes of a tied head, in either order', async () => {
    const next = createRandom(3);
    const base = await writeBase(next, { tie_word_embeddings: true });
    const saving = async (name: string, config: object = {}, shape = [23, 12]): Promise<string> => {
      const tensors = loraTensors(next, targets);
      return writeAdapter(tensors.set(`${PREFIX}${name}`, randomTensor(next, shape)), config);
    };
    const refuse = (...adapters: string[]): Promise<string> =>
      refused(1, '--base', base, ...adapters.flatMap((adapter) => ['--adapter', adapter]));
    const head = await saving('lm_head.weight', { modules_to_save: ['lm_head'] });
    const embedding = await saving('model.embed_tokens.weight');
    expect(await refuse(head, embedding)).toContain('found it for the tied head too, expected one lm_head.weight');
    expect(await refuse(embedding, head)).toContain('found another whole lm_head.weight');
    const rows = 'token_adapter.trainable_tokens_delta';
    const ofHead = await saving(`lm_head.${rows}`, { trainable_token_indices: { lm_head: [9] } }, [1, 12]);
    const ofBoth = await saving(`model.embed_tokens.${rows}`, { trainable_token_indices: [5] }, [1, 12]);
    expect(await refuse(ofHead, ofBoth)).toContain('found trained rows of the tied head too, expected one of both');
    expect(await refuse(ofBoth, ofHead)).toContain('found trained rows beside those of');
  });

  it('options that mean nothing together', async () => {
    const base = await writeBase(createRandom(3));
    expect(await refused(1, '--base', base, '--density', '0.5')).toContain('expected --method ties or dare');
    expect(await refused(1, '--base', base, '--method', 'ties', '--seed', '5')).toContain('expected --method dare');
    expect(await refused(1, base, '--base', base)).toContain('a plain model beside --base');
    expect(await refused(1)).toContain('found no model, expected a VoRA checkpoint, or --base');
    expect(await refused(1, VORA_RANDOM, '--adapter', VORA_AUX)).toContain('found a second VoRA checkpoint');
  });
});

describe.each(['exact', 'ties', 'dare'])('--method %s', (method) => {
  async function failure(tensors: Tensors, config: object = {}): Promise<string> {
    const base = await writeBase(createRandom(3));
    const adapter = await writeAdapter(tensors, config);
    const out = join(await tempFolder(), 'merged');
    const args = ['merge', '--base', base, '--adapter', adapter, '--method', method, '--out', out];
    const { code, stderr } = await runInProcess(...args);
    expect({ code, finished: existsSync(out) }).toEqual({ code: 1, finished: false });
    return stderr;
  }

  it.each(['lora_A', 'lora_B'])('%s with a value that is no number, by the name of its file', async (half) => {
    const tensors = loraTensors(createRandom(3), targets);
    const name = `${PREFIX}${Q}.${half}.weight`;
    floatsOf(tensors, name)[4] = Number.NaN;
    expect(await failure(tensors)).toMatch(
      new RegExp(`adapter_model\\.safetensors: tensor ${name}: found NaN, expected what F32 can hold`),
    );
  });

  it('a sum that is no number', async () => {
    expect(await failure(loraTensors(createRandom(3), targets), { lora_alpha: 1e300 })).toContain('found ');
  });
});

it('a pickle, with the command that converts it', async () => {
  const next = createRandom(3);
  const base = await writeBase(next);
  const folder = join(await tempFolder());
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify({ peft_type: 'LORA', r: 3, lora_alpha: 3 }));
  await writeFile(join(folder, 'adapter_model.bin'), '');
  const message = await refused(1, '--base', base, '--adapter', folder);
  expect(message).toContain('found adapter_model.bin, a PyTorch pickle, expected safetensors');
  expect(message).toContain('weights_only=True');
});
