// The page at /docs: the contract as this server has it, to be read and tried. It loads nothing from elsewhere, and puts
// text into the page as text only.
'use strict';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

// make('p', {class: 'x'}, 'text', child, …)
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function resolver(contract) {
  return function resolve(node) {
    if (!node || !node.$ref) return node || {};
    const found = node.$ref.slice(2).split('/').reduce((at, part) => at[part], contract);
    return {...resolve(found), ...Object.fromEntries(Object.entries(node).filter(([key]) => key !== '$ref'))};
  };
}

// A schema in one line: "string", "array of Show", "one of hour, day".
function typeOf(schema) {
  if (!schema) return '';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.enum) return 'one of ' + schema.enum.join(', ');
  if (schema.type === 'array') return 'array of ' + (typeOf(schema.items) || 'anything');
  return [].concat(schema.type || 'anything').join(' or ');
}

// Bounds and defaults, and what is said of it.
function notesOf(schema) {
  const notes = [];
  for (const [key, word] of Object.entries({minimum: 'at least', maximum: 'at most', minLength: 'length at least',
    maxLength: 'length at most', maxItems: 'items at most', format: 'format', pattern: 'pattern', default: 'default'})) {
    if (schema[key] !== undefined) notes.push(word + ' ' + schema[key]);
  }
  return [schema.description, notes.join('; ')].filter(Boolean).join(' · ');
}

// A body to begin with.
function exampleOf(schema, resolve, depth = 0) {
  const found = resolve(schema);
  if (found.example !== undefined) return found.example;
  if (found.default !== undefined) return found.default;
  if (found.enum) return found.enum[0];
  const type = [].concat(found.type || 'object')[0];
  if (type === 'object') {
    if (depth > 4) return {};
    const names = (found.required || []).concat(((found.oneOf || [])[0] || {}).required || []);
    return Object.fromEntries(names.map((name) => [name, exampleOf((found.properties || {})[name], resolve, depth + 1)]));
  }
  if (type === 'array') return depth > 4 ? [] : [exampleOf(found.items, resolve, depth + 1)];
  if (type === 'integer' || type === 'number') return found.minimum || 0;
  if (type === 'boolean') return false;
  if (found.format === 'date-time') return new Date().toISOString();
  return '';
}

function table(head, rows) {
  return make('table', {}, make('thead', {}, make('tr', {}, ...head.map((text) => make('th', {scope: 'col'}, text)))),
    make('tbody', {}, ...rows.map((cells) => make('tr', {}, ...cells.map((cell) => make('td', {}, cell))))));
}

function link(schema) {
  const name = typeOf(schema);
  const target = schema && (schema.$ref || (schema.items && schema.items.$ref));
  return target && target.includes('/schemas/') ? make('a', {href: '#schema-' + target.split('/').pop()}, name) : name;
}

function schemaBlock(name, schema) {
  const required = new Set(schema.required || []);
  const rows = Object.entries(schema.properties || {}).map(([member, of]) =>
    [make('code', {}, member + (required.has(member) ? '' : '?')), link(of), notesOf(of)]);
  return make('details', {id: 'schema-' + name}, make('summary', {}, make('code', {}, name), ' ', typeOf(schema)),
    schema.description ? make('p', {}, schema.description) : null,
    rows.length ? table(['member', 'type', ''], rows) : make('p', {}, notesOf(schema)));
}

// The form that sends one request.
function tryIt(method, path, parameters, body, resolve) {
  const inputs = parameters.map((parameter) => {
    const input = make('input', {'aria-label': parameter.name, value: parameter.example || ''});
    if (parameter.name === 'Idempotency-Key') input.value = crypto.randomUUID ? crypto.randomUUID() : String(Date.now());
    return [parameter, input];
  });
  const media = body && resolve(body).content && resolve(body).content['application/json'];
  const text = media ? make('textarea', {'aria-label': 'body', spellcheck: 'false'}) : null;
  if (text) text.value = JSON.stringify(exampleOf(media.schema, resolve), null, 2);
  const output = make('pre', {hidden: '', 'aria-live': 'polite'});
  const button = make('button', {type: 'button'}, 'Send');
  button.addEventListener('click', async () => {
    const headers = {};
    const token = document.getElementById('token').value.trim();
    if (token) headers.Authorization = 'Bearer ' + token;
    if (text) headers['Content-Type'] = 'application/json';
    let url = path;
    const query = new URLSearchParams();
    for (const [parameter, input] of inputs) {
      if (parameter.in === 'path') url = url.replace('{' + parameter.name + '}', encodeURIComponent(input.value));
      if (input.value === '') continue;
      if (parameter.in === 'query') query.set(parameter.name, input.value);
      if (parameter.in === 'header') headers[parameter.name] = input.value;
    }
    if (query.size !== 0 && query.toString()) url += '?' + query;
    output.hidden = false;
    output.textContent = '…';
    try {
      const answer = await fetch(url, {method: method.toUpperCase(), headers, body: text ? text.value : undefined});
      const type = answer.headers.get('Content-Type') || '';
      if (type.startsWith('text/event-stream')) {
        output.textContent = answer.status + ' and a stream, which this page does not follow: use curl -N';
        if (answer.body) answer.body.cancel();
        return;
      }
      const raw = await answer.text();
      const shown = type.includes('json') && raw ? JSON.stringify(JSON.parse(raw), null, 2) : raw;
      const head = [...answer.headers].map(([name, value]) => name + ': ' + value).join('\n');
      output.textContent = answer.status + ' ' + answer.statusText + '\n' + head + '\n\n' + shown;
    } catch (error) {
      output.textContent = String(error);
    }
  });
  const rows = inputs.map(([parameter, input]) => [make('code', {}, parameter.name), input]);
  return make('details', {}, make('summary', {}, 'Try it'), rows.length ? table(['parameter', 'value'], rows) : null, text,
    make('p', {}, button), output);
}

function operationBlock(path, method, operation, shared, resolve) {
  const parameters = (shared || []).concat(operation.parameters || []).map(resolve);
  const body = operation.requestBody ? resolve(operation.requestBody) : null;
  const media = body && body.content && body.content['application/json'];
  const answers = Object.entries(operation.responses).map(([status, given]) => {
    const answer = resolve(given);
    const content = Object.entries(answer.content || {})[0];
    return [make('code', {}, status), answer.description || '', content ? link(content[1].schema) : ''];
  });
  return make('details', {id: operation.operationId, 'data-words': [path, method, operation.summary, operation.operationId].join(' ').toLowerCase()},
    make('summary', {}, make('span', {class: 'method'}, method.toUpperCase()), make('code', {}, path), ' ',
      make('span', {class: 'soft'}, operation.summary || '')),
    operation.description ? make('p', {}, operation.description) : null,
    parameters.length ? table(['parameter', 'in', 'type', ''], parameters.map((parameter) =>
      [make('code', {}, parameter.name + (parameter.required ? '' : '?')), parameter.in, typeOf(parameter.schema),
        [parameter.description, notesOf(resolve(parameter.schema))].filter(Boolean).join(' · ')])) : null,
    media ? make('p', {}, 'Body: ', link(media.schema)) : null,
    table(['answer', '', 'body'], answers),
    tryIt(method, path, parameters, operation.requestBody, resolve));
}

function show(contract) {
  const resolve = resolver(contract);
  const main = document.getElementById('main');
  const contents = document.getElementById('contents');
  const about = make('pre', {style: 'white-space: pre-wrap; max-height: none'}, contract.info.description || '');
  main.replaceChildren(make('h1', {}, contract.info.title + ' ' + contract.info.version), about);
  for (const tag of contract.tags || []) {
    main.append(make('h2', {}, tag.name), make('p', {}, tag.description || ''));
    contents.append(make('h2', {}, tag.name));
    for (const [path, item] of Object.entries(contract.paths)) {
      for (const method of METHODS.filter((name) => item[name] && (item[name].tags || [])[0] === tag.name)) {
        main.append(operationBlock(path, method, item[method], item.parameters, resolve));
        contents.append(make('a', {href: '#' + item[method].operationId, title: path}, item[method].summary || path));
      }
    }
  }
  main.append(make('h2', {}, 'Schemas'));
  for (const [name, schema] of Object.entries(contract.components.schemas)) main.append(schemaBlock(name, schema));
  const openNamed = () => {
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (named && named.tagName === 'DETAILS') {
      named.open = true;
      named.scrollIntoView();
    }
  };
  window.addEventListener('hashchange', openNamed);
  openNamed();
  document.getElementById('search').addEventListener('input', (event) => {
    const word = event.target.value.toLowerCase();
    for (const block of main.querySelectorAll('details[data-words]')) block.hidden = !block.dataset.words.includes(word);
  });
}

fetch('/openapi.json').then((answer) => answer.json()).then(show).catch((error) => {
  document.getElementById('main').textContent = 'The contract could not be loaded: ' + error;
});
