// This module is the worker in which a browser verifies: it takes one request, tells how far it is, and answers with what was found.
import { verify } from "./verify.js";

self.addEventListener("message", async ({ data }) => {
  try {
    const result = await verify(data, (progress) => self.postMessage({ progress }));
    self.postMessage({ result });
  } catch (error) {
    self.postMessage({ failure: error.message });
  }
});
