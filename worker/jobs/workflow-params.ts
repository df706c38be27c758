/** What a Workflow instance is told; everything else it reads from the tenant's object and from R2. */
export interface JobParams {
  tenant: string;
  job: string;
}

export interface DeliveryParams {
  tenant: string;
  message: string;
  /** 1 for the first delivery, more for each redelivery. */
  run: number;
}
