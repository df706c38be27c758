/** `node llama_logits.ts FILE.gguf IDS`: what llama.cpp makes of token ids (JSON), as JSON: logits [ids, vocabulary]. */
import { openGguf, startLlama } from '../../../test/weights-tools/gguf/llama-cpp.ts';

const [path = '', ids = '[]'] = process.argv.slice(2);
const llama = await startLlama();
const model = await openGguf(llama, path);
const rows = await model.logits(JSON.parse(ids) as number[]);
process.stdout.write(JSON.stringify(rows.map((row) => [...row])));
await model.dispose();
await llama.dispose();
