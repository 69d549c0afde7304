// Holds Kubernetes resources of Istio, Envoy Gateway and Gateway API against @kubernetes-models: by its schemas for what a
// value may be, and by its types for fields that there are not, which the schemas let pass.
//
// Standard input: {"resources": [...]}. Standard output: for each {"by": the package, or null, "errors": [...]}.
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const packages = { 'gateway.networking.k8s.io': 'gateway-api', 'gateway.envoyproxy.io': 'envoy-gateway' };

/** The package that has a resource's kind, and where in it. */
function home({ apiVersion, kind }) {
  const [group, version] = apiVersion.split('/');
  const name = packages[group] ?? (group.endsWith('.istio.io') ? 'istio' : null);
  return { by: name && `@kubernetes-models/${name}`, module: `@kubernetes-models/${name}/${group}/${version}/${kind}` };
}

async function bySchema(resource) {
  const { by, module } = home(resource);
  if (!by) return { by, errors: [] };
  const { apiVersion, kind, ...rest } = resource;
  let models;
  try {
    models = await import(module);
  } catch (error) {
    if (!['ERR_MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED'].includes(error.code)) throw error;
    return { by: null, errors: [] };
  }
  try {
    new models[kind](rest).validate();
    return { by, errors: [] };
  } catch (error) {
    return { by, errors: [String(error.message)] };
  }
}

/** What the compiler says of a program that gives each resource its type, two lines for each. */
function byType(resources) {
  const file = fileURLToPath(new URL('resources.mts', import.meta.url));
  const program = resources.map((resource, index) => {
    const type = `import type { I${resource.kind} as T${index} } from '${home(resource).module}';`;
    return `${type}\nexport const resource${index}: T${index} = ${JSON.stringify(resource)};`;
  });
  const options = {
    strict: true, noEmit: true, skipLibCheck: true, types: [],
    module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, ...more) =>
    name === file ? ts.createSourceFile(name, program.join('\n'), ...more) : getSourceFile(name, ...more);
  const errors = resources.map(() => []);
  for (const found of ts.getPreEmitDiagnostics(ts.createProgram([file], options, host))) {
    const { line } = found.file.getLineAndCharacterOfPosition(found.start);
    errors[line >> 1].push(ts.flattenDiagnosticMessageText(found.messageText, ' '));
  }
  return errors;
}

const { resources } = JSON.parse(await text(process.stdin));
const answers = await Promise.all(resources.map(bySchema));
const known = resources.map((_, index) => index).filter((index) => answers[index].by);
byType(known.map((index) => resources[index])).forEach((errors, place) => answers[known[place]].errors.push(...errors));
console.log(JSON.stringify(answers));
