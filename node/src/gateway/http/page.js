// Shows the status of the code on this page as it changes. Served by the node; nothing else runs here.
"use strict";
const shown = document.getElementById("status");
if (shown !== null && shown.dataset.status === "WAITING") {
  const source = new EventSource(location.pathname.replace(/\/+$/, "") + "/events");
  source.addEventListener("status", (event) => {
    const { status } = JSON.parse(event.data);
    shown.dataset.status = status;
    shown.textContent = status;
    if (status !== "WAITING") source.close();
  });
}
