// Shapes of the API that the settings need.

export type Scope = "read" | "run" | "admin";

export interface Setting {
  name: string;
  value: unknown;
  origin: string;
  description: string;
}

export interface StoredKey {
  name: string;
  secret: boolean;
}

export interface WhoAmI {
  actor: string;
  scope: Scope | null;
  signed_in: boolean;
  has_password: boolean;
}

export interface ApiKey {
  id: string;
  name: string;
  prefix: string;
  scope: Scope;
  created_at: string;
  last_used_at: string | null;
  expires_at: string | null;
  revoked_at: string | null;
}

export interface MadeKey {
  key: string;
  name: string;
  prefix: string;
  scope: Scope;
  expires_at: string | null;
}

export interface AuditEntry {
  id: string;
  at: string;
  actor: string;
  address: string;
  action: string;
  target: string;
  outcome: string;
  detail: Record<string, unknown>;
}
