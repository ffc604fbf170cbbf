// The model behind the sliders: M/M/c/K. Times in seconds, rates per second. No library, nothing is fetched.
"use strict";

// The share of time with n requests inside, for n = 0 ... bound.
function shares(rate, service, slots, bound) {
  const logs = [0];
  for (let n = 1; n <= bound; n++) logs.push(logs[n - 1] + Math.log(rate * service / Math.min(n, slots)));
  const top = Math.max(...logs);
  const weights = logs.map(each => Math.exp(each - top));
  const total = weights.reduce((sum, each) => sum + each, 0);
  return weights.map(each => each / total);
}

// What one instance does.
function queue(rate, service, slots, bound) {
  const inside = shares(rate, service, slots, bound);
  const refused = inside[bound];
  const taken = rate * (1 - refused);
  let waiting = 0;
  for (let n = slots + 1; n <= bound; n++) waiting += (n - slots) * inside[n];
  return { refused, taken, busy: taken * service / slots, wait: taken > 0 ? waiting / taken : 0, inside };
}

// The probability that a request that is taken waits longer than so many seconds for its slot.
function waitsLonger(seconds, service, slots, bound, inside) {
  const mean = seconds * slots / service;
  let term = Math.exp(-mean), sum = 0, longer = 0, all = 0;
  for (let n = 0; n < bound; n++) {
    all += inside[n];
    if (n < slots) continue;
    sum += term;
    term *= mean / (n - slots + 1);
    longer += inside[n] * sum;
  }
  return all > 0 ? longer / all : 0;
}

function waitPercentile(share, service, slots, bound, inside) {
  let low = 0, high = service * bound / slots;
  if (waitsLonger(0, service, slots, bound, inside) <= 1 - share) return 0;
  while (waitsLonger(high, service, slots, bound, inside) > 1 - share) high *= 2;
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2;
    if (waitsLonger(middle, service, slots, bound, inside) > 1 - share) low = middle; else high = middle;
  }
  return high;
}

// The fewest instances that refuse at most that share, with slots no busier than that.
function fewest(rate, service, slots, bound, mostRefused, mostBusy) {
  for (let count = 1; count <= 1000; count++) {
    const each = queue(rate / count, service, slots, bound);
    if (each.refused <= mostRefused && each.busy <= mostBusy) return count;
  }
  return null;
}

const SLIDERS = [
  // name, what, unit, least, most, on a logarithmic scale, whole
  ["rate", "Arriving requests, all instances", "/s", 0.1, 5000, true, false],
  ["service", "Time that a request holds a slot", "ms", 1, 60000, true, false],
  ["slots", "Slots of an instance (workers × threads)", "", 1, 256, true, true],
  ["bound", "Requests inside an instance at most", "", 1, 1000, true, true],
  ["instances", "Instances", "", 1, 50, false, true],
];
const STEPS = 1000;

function written(seconds) {
  return seconds >= 1 ? `${seconds.toPrecision(3)} s` : `${(seconds * 1000).toPrecision(3)} ms`;
}

function percent(share) { return `${(share * 100).toFixed(share < 0.1 ? 2 : 1)} %`; }

function results(value, start) {
  const rate = value.rate / value.instances, service = value.service / 1000;
  const bound = Math.max(value.bound, value.slots);
  const one = queue(rate, service, value.slots, bound);
  const need = fewest(value.rate, service, value.slots, bound, 0.01, 0.8);
  const rows = [
    ["Answered, all instances", `${(one.taken * value.instances).toPrecision(4)} /s`, "taken", one.taken * value.instances],
    ["Refused", percent(one.refused), "refused", one.refused],
    ["Slots busy", percent(one.busy), "busy", one.busy],
    ["Mean wait for a slot", written(one.wait), "wait", one.wait],
    ["95 % wait for a slot at most", written(waitPercentile(0.95, service, value.slots, bound, one.inside)), "wait95",
      waitPercentile(0.95, service, value.slots, bound, one.inside)],
    ["Instances that refuse at most 1 % with slots at most 80 % busy", need === null ? "more than 1,000" : `${need}`, "need", need],
  ];
  if (value.bound < value.slots) rows.push(["Note", "fewer may be inside than there are slots: counted as many as slots", "note", 0]);
  if (start.cpu_s > 0) {
    const cores = one.taken * start.cpu_s;
    rows.push(["CPU of an instance at the measured time per request", `${cores.toPrecision(3)} of ${start.cores} cores` +
      (cores > start.cores ? ": MORE THAN IT HAS, the figures above cannot be reached" : ""), "cores", cores]);
  }
  return rows;
}

function begin(form) {
  const start = JSON.parse(form.dataset.start);
  const value = { rate: start.rate_per_s, service: start.service_s * 1000, slots: start.slots, bound: start.bound, instances: start.instances };
  for (const [name, given] of new URLSearchParams(location.hash.slice(1))) if (name in value && Number(given) > 0) value[name] = Number(given);
  const place = form.querySelector(".sliders"), body = form.querySelector("output tbody");
  const show = () => {
    for (const [name, , unit] of SLIDERS) form.querySelector(`b[data-of=${name}]`).textContent = `${Number(value[name].toPrecision(4))} ${unit}`;
    body.replaceChildren(...results(value, start).map(([what, text, key, figure]) => {
      const row = document.createElement("tr"), head = document.createElement("th"), cell = document.createElement("td");
      head.scope = "row"; head.textContent = what;
      cell.textContent = text; cell.dataset.key = key; cell.dataset.figure = figure;
      row.append(head, cell);
      return row;
    }));
  };
  for (const [name, what, , least, most, isLog, isWhole] of SLIDERS) {
    const label = document.createElement("label"), shown = document.createElement("b"), input = document.createElement("input");
    const top = Math.max(most, value[name]), low = Math.min(least, value[name]);
    shown.dataset.of = name;
    const share = isLog ? Math.log(value[name] / low) / Math.log(top / low) : (value[name] - low) / (top - low);
    Object.assign(input, { type: "range", name, min: 0, max: STEPS, value: Math.round(share * STEPS) });
    input.addEventListener("input", () => {
      const at = input.value / STEPS;
      const figure = isLog ? low * (top / low) ** at : low + (top - low) * at;
      value[name] = isWhole ? Math.max(1, Math.round(figure)) : figure;
      input.setAttribute("aria-valuetext", String(Number(value[name].toPrecision(3))));
      show();
    });
    label.append(what, shown, input);
    place.append(label);
  }
  show();
}

for (const form of document.querySelectorAll("form#whatif")) begin(form);
