// Holds Kubernetes resources of Istio, Envoy Gateway and Gateway API against the schemas of @kubernetes-models: types,
// enums and what is required. Fields that they do not know pass.
//
// Standard input: {"resources": [...]}. Standard output: for each {"by": the package, or null, "errors": [...]}.
import { text } from 'node:stream/consumers';

const packages = { 'gateway.networking.k8s.io': 'gateway-api', 'gateway.envoyproxy.io': 'envoy-gateway' };

async function check({ apiVersion, kind, ...rest }) {
  const [group, version] = apiVersion.split('/');
  const name = packages[group] ?? (group.endsWith('.istio.io') && 'istio');
  if (!name) return { by: null, errors: [] };
  const by = `@kubernetes-models/${name}`;
  let model;
  try {
    model = (await import(`${by}/${group}/${version}/${kind}`))[kind];
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return { by: null, errors: [] };
  }
  try {
    new model(rest).validate();
    return { by, errors: [] };
  } catch (error) {
    return { by, errors: [String(error.message)] };
  }
}

const { resources } = JSON.parse(await text(process.stdin));
console.log(JSON.stringify(await Promise.all(resources.map(check))));
