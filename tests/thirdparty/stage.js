// A shop for one client: its keys, its notify_url, and the customer who pays at the simulator.
//
// The client itself finds the simulator by HTTPS_PROXY alone; what this file calls is the page's
// control plane, on this machine.
"use strict";

const fs = require("fs");
const http = require("http");
const path = require("path");

const { WXPAY_URL, WXPAY_FOLDER, WXPAY_MCH_ID } = process.env;

function file(...names) {
  return fs.readFileSync(path.join(WXPAY_FOLDER, ...names));
}

exports.mchId = WXPAY_MCH_ID;
exports.appid = "wx8888888888888888";
exports.apiKey = process.env.WXPAY_API_KEY;
exports.apiV3Key = process.env.WXPAY_API_V3_KEY;
exports.serial = process.env.WXPAY_SERIAL;
exports.publicKeyId = process.env.WXPAY_PUBLIC_KEY_ID;
exports.file = file;
exports.own = (name) => file(WXPAY_MCH_ID, name);

// POST to the control plane, and return what it answers.
exports.control = (name, body) =>
  new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/json" };
    const request = http.request(`${WXPAY_URL}/_simulator/${name}`, { method: "POST", headers }, (answer) => {
      let text = "";
      answer.on("data", (piece) => (text += piece));
      answer.on("end", () =>
        answer.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(text)),
      );
    });
    request.on("error", reject);
    request.end(JSON.stringify(body));
  });

// The notify_url, and a promise for each notification in the order of their arrival.
exports.listen = async (acknowledgement) => {
  const arrived = [];
  const waiting = [];
  const server = http.createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (piece) => (body += piece));
    request.on("end", () => {
      response.end(acknowledgement);
      const notice = { headers: request.headers, body };
      if (waiting.length) waiting.shift()(notice);
      else arrived.push(notice);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/notify/`,
    next: () =>
      arrived.length ? Promise.resolve(arrived.shift()) : new Promise((resolve) => waiting.push(resolve)),
    close: () => server.close(),
  };
};

// Run a story; print the results of its steps as one line of JSON, and end.
exports.tell = async (story) => {
  const results = {};
  try {
    await story(results);
  } catch (error) {
    const answer = error.response && error.response.data;
    results.error = `${error.stack}\n${answer ? JSON.stringify(answer) : ""}`;
  }
  process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(results.error ? 1 : 0));
};

exports.today = () => process.env.WXPAY_TODAY;
