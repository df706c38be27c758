/**
 * Deletes a Workflow instance and all that the platform keeps of it; one that runs is stopped, be it the caller's own: code
 * after this is not reached then. Best effort: what stays does no harm, and the platform deletes it when its retention ends.
 *
 * Without it the state of each job would be stored, and paid for, for up to a month after its end; and Miniflare, which
 * puts no idle object away, would hold each instance for as long as it runs.
 */
export async function deleteInstance(workflow: Pick<Workflow, 'get'>, id: string): Promise<void> {
  try {
    await (await workflow.get(id)).delete();
  } catch {
    // It was never created, or is deleted already.
  }
}
