import { text } from '../../support/json-answer.ts';
import { type Schema, Validator } from '@cfworker/json-schema';
import { describe, expect, it } from 'vitest';
import type { ApiDescription } from '../../../worker/openapi.ts';
import { fakeUpstream, goodAnswer } from '../fake-upstream.ts';
import { jobLine } from '../jobs/job-line.ts';
import { repositoryFile } from '../repository-file.ts';
import { dataUrl } from '../test-app.ts';

const IMAGE = dataUrl(await repositoryFile('test/fixtures/golden/images/png-rgb.png'));

describe('the description of an API with tenants', () => {
  it('names routes that exist and fits what they answer', async () => {
    const line = jobLine(fakeUpstream(goodAnswer()));
    const { app } = line;
    const api = await (await app.fetch('/openapi.json')).json<ApiDescription>();
    const { id: tenant, key } = await app.tenant();
    const ids: Record<string, string> = { tenant, model: 'vora-random' };
    const faults: unknown[] = [];

    async function check(method: 'get' | 'post' | 'delete', path: string, body?: object): Promise<void> {
      const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? '');
      const { status, json } = await app.call(key, method.toUpperCase(), url, body);
      const content = api.paths[path]?.[method]?.responses[String(status)]?.content['application/json'];
      const schema = { components: api.components, ...content?.schema } as Schema;
      const { valid, errors } = new Validator(schema, '2020-12').validate(json);
      if (content === undefined || !valid) {
        faults.push([method, path, status, errors, json]);
      }
      if (json['object'] !== undefined && json['id'] !== undefined) {
        ids[text(json['object'])] = text(json['id']);
      }
    }

    await check('post', '/v1/tenant/webhooks', { url: 'https://receiver.example/' });
    await check('post', '/v1/tenant/webhooks/{webhook}/rotate');
    await check('post', '/v1/tenant/webhooks/{webhook}/enable');
    await check('get', '/v1/tenant/webhooks/{webhook}');
    await check('get', '/v1/tenant/webhooks');
    await check('get', '/webhooks/{tenant}/{webhook}/keys');
    await check('post', '/v1/jobs', { task: 'caption', images: [IMAGE, IMAGE] });
    await check('post', '/v1/jobs', { task: 'caption', image: IMAGE, webhook: ids['webhook'] });
    await line.run(tenant, ids['job'] ?? '');
    await check('get', '/v1/jobs/{job}');
    await check('post', '/v1/jobs/{job}/cancel');
    await check('get', '/v1/jobs');
    await check('get', '/v1/tenant/deliveries');
    ids['delivery'] = (ids['job'] ?? '').replace('job_', 'msg_');
    await check('post', '/v1/tenant/deliveries/{delivery}/redeliver');
    await check('delete', '/v1/jobs/{job}');
    await check('delete', '/v1/tenant/webhooks/{webhook}');
    await check('delete', '/v1/tenant/answers');
    await check('get', '/v1/tenant');
    await check('get', '/v1/tenant/usage');
    await check('post', '/v1/tenant/keys', { purpose: 'other', scopes: ['chat'] });
    await check('post', '/v1/tenant/keys/{key}/rotate', {});
    await check('delete', '/v1/tenant/keys/{key}');
    expect(faults).toEqual([]);
    const described = Object.entries(api.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((m) => `${m} ${path}`),
    );
    expect(described.filter((route) => /jobs|tenant|webhooks/.test(route))).toHaveLength(20);
  });
});
