/** What the links are called on the page; the model's own names are shown beside. */
const NAMES: Readonly<Record<string, string>> = {
  route: 'Route',
  origin: 'Origin',
  store: 'Session store',
  session: 'Session',
  csrf: 'Proof of the page',
  rate: 'Limit of the rate',
  target_service: 'Service of the route',
  service_audience: 'Audience of the service',
  idp_issuer: 'Issuer',
  client: 'Client at the IdP',
  redirect_uri: 'Redirect URI',
  cookie: 'Cookie',
  client_scopes: 'Scopes of the client',
  client_grants: 'Grants of the client',
  scope_mapping: 'Scope mapping',
  login_scope: 'Scopes of the login',
  service_scopes: 'Scopes of the service',
  allowed_audiences: 'Audiences of the client',
  backend_audience: 'Audience of the backend',
  backend_issuer: 'Issuer of the backend',
  idp: 'Identity provider',
  client_authentication: 'Secret of the client',
  grant: 'Grant of the session',
  token: 'Token',
  upstream: 'Way to the backend',
  backend: 'Backend',
}

/** A gateway of a later version may know links that this page does not. */
export function linkName(link: string): string {
  return NAMES[link] ?? link.replaceAll('_', ' ')
}
