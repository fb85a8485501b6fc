// Ask the shop every second whether it knows of the money; when it does, show it and go on.
const paying = document.getElementById("paying");

async function isPaid() {
  try {
    const answer = await fetch(paying.dataset.stateUrl, { cache: "no-store" });
    return answer.ok && (await answer.json()).paid;
  } catch {
    return false; // the shop is restarting, or the network is: ask again
  }
}

async function wait() {
  if (await isPaid()) {
    paying.classList.add("is-paid");
    setTimeout(() => location.replace(paying.dataset.receiptUrl), 1800);
  } else {
    setTimeout(wait, 1000);
  }
}

wait();
