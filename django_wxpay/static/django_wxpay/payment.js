/* The page on which a customer pays. It needs no library, no build and no inline script.

   <div data-wxpay-status-url="/orders/A-17/status/" data-wxpay-paid-url="/orders/A-17/receipt/">
     <p data-wxpay-when="waiting">Waiting for your payment: <b data-wxpay-countdown></b></p>
     <p data-wxpay-when="paid" hidden>Paid. Thank you!</p>
     <p data-wxpay-when="expired" hidden>This code has expired.</p>
     <p data-wxpay-when="closed" hidden>This order was closed.</p>
     <p data-wxpay-when="failed" hidden>The payment failed. Please try again.</p>
     <p data-wxpay-when="cancelled" hidden>You have not paid yet.</p>
     <p data-wxpay-when="outside-wechat" hidden>Open this page in WeChat to pay.</p>
     <button data-wxpay-jsapi="parameters">Pay</button>
   </div>

   The status address answers {"status": ..., "expires_at": ...}, services.payment_status(order).
   as_dict(). What WeChat's bridge says of a payment decides nothing: the shop is asked. */
"use strict";

(() => {
  const FIRST_MS = 1000;
  const LATER_MS = 3000;
  const LONGEST_MS = 10000;
  // Most customers pay within this time, and look at the page meanwhile.
  const QUICK_FOR_MS = 60000;
  // A payment that began before the code expired may arrive so much later.
  const LATE_FOR_MS = 120000;
  const SHOWN_PAID_MS = 1800;
  const BRIDGE_MS = 3000;
  const OVER = ["paid", "closed"];
  // Known to this page alone. They stay until the shop knows something else than "waiting".
  const LOCAL = ["cancelled", "outside-wechat"];

  class Waiting {
    constructor(root) {
      this.root = root;
      this.began = Date.now();
      this.failures = 0;
      this.expiresAt = null;
      this.expiredAt = null;
      this.timer = null;
      this.isAsking = false;
      document.addEventListener("visibilitychange", () => this.cameBack());
      // Back from the cashier of H5, or from another app, by the browser's memory.
      window.addEventListener("pageshow", () => this.cameBack());
      setInterval(() => this.countDown(), 1000);
      this.ask();
    }

    get status() {
      return this.root.dataset.wxpayStatus || "waiting";
    }

    cameBack() {
      if (!document.hidden && !OVER.includes(this.status)) this.ask();
    }

    async ask() {
      clearTimeout(this.timer);
      if (this.isAsking) return;
      this.isAsking = true;
      try {
        const answer = await fetch(this.root.dataset.wxpayStatusUrl, {
          cache: "no-store",
          headers: { Accept: "application/json" },
        });
        if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
        this.show(await answer.json());
        this.failures = 0;
      } catch {
        // The shop restarts, or the phone has no network: nothing is known, so ask again.
        this.failures += 1;
      } finally {
        this.isAsking = false;
      }
      this.askLater();
    }

    askLater() {
      if (OVER.includes(this.status)) return;
      const isLate = this.expiredAt && Date.now() - this.expiredAt > LATE_FOR_MS;
      // A page that nobody looks at asks again when it is in front.
      if (isLate || document.hidden) return;
      const usual = Date.now() - this.began < QUICK_FOR_MS ? FIRST_MS : LATER_MS;
      const pause = Math.min(usual * 2 ** Math.min(this.failures, 5), LONGEST_MS);
      this.timer = setTimeout(() => this.ask(), Math.max(pause, usual));
    }

    show({ status, expires_at: expiresAt }) {
      this.expiresAt = expiresAt ? Date.parse(expiresAt) : null;
      this.expiredAt = status === "expired" ? this.expiredAt || Date.now() : null;
      const isNews = !(status === "waiting" && LOCAL.includes(this.status));
      if (status !== this.status && isNews) this.turn(status);
      this.countDown();
    }

    turn(status) {
      this.root.dataset.wxpayStatus = status;
      for (const part of this.root.querySelectorAll("[data-wxpay-when]")) {
        part.hidden = !part.dataset.wxpayWhen.split(" ").includes(status);
      }
      this.root.dispatchEvent(new CustomEvent("wxpay:status", { detail: { status }, bubbles: true }));
      const paidUrl = this.root.dataset.wxpayPaidUrl;
      if (status === "paid" && paidUrl) {
        setTimeout(() => location.replace(paidUrl), SHOWN_PAID_MS);
      }
    }

    countDown() {
      if (this.expiresAt === null) return;
      const left = Math.max(0, Math.round((this.expiresAt - Date.now()) / 1000));
      const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      for (const part of this.root.querySelectorAll("[data-wxpay-countdown]")) {
        if (part.textContent !== text) part.textContent = text;
      }
    }

    async payInWeChat(button) {
      const parameters = JSON.parse(document.getElementById(button.dataset.wxpayJsapi).textContent);
      button.disabled = true;
      try {
        const bridge = await weChatBridge();
        if (bridge === null) return this.turn("outside-wechat");
        const said = await new Promise((resolve) => {
          bridge.invoke("getBrandWCPayRequest", parameters, (result) => resolve(result.err_msg));
        });
        if (said === "get_brand_wcpay_request:cancel") this.turn("cancelled");
        // Whatever it says, only the shop knows.
        await this.ask();
      } finally {
        button.disabled = false;
      }
    }
  }

  /** WeChat puts its bridge into a page some time after it has loaded; null outside of WeChat. */
  function weChatBridge() {
    if (window.WeixinJSBridge) return Promise.resolve(window.WeixinJSBridge);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), BRIDGE_MS);
      document.addEventListener("WeixinJSBridgeReady", () => {
        clearTimeout(timer);
        resolve(window.WeixinJSBridge);
      }, { once: true });
    });
  }

  function start() {
    for (const root of document.querySelectorAll("[data-wxpay-status-url]")) {
      const waiting = new Waiting(root);
      for (const button of root.querySelectorAll("[data-wxpay-jsapi]")) {
        button.addEventListener("click", () => waiting.payInWeChat(button));
      }
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
