// wechatpay-axios-plugin: v2, with the merchant's certificate where the gateway asks for it.
"use strict";

const { Hash, Transformer, Wechatpay } = require("wechatpay-axios-plugin");
const stage = require("./stage");

const api = new Wechatpay({
  mchid: stage.mchId,
  serial: stage.serial,
  privateKey: stage.own("apiclient_key.pem"),
  certs: { [stage.publicKeyId]: stage.file("wechatpay_public_key.pem") },
  secret: stage.apiKey,
  merchant: { cert: stage.own("apiclient_cert.pem"), key: stage.own("apiclient_key.pem") },
}).v2;

stage.tell(async (results) => {
  const shop = await stage.listen("<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>");
  const identity = { appid: stage.appid, mch_id: stage.mchId };
  const number = { ...identity, out_trade_no: "axios-plugin-v2" };
  const order = {
    ...number,
    sign_type: "HMAC-SHA256",
    body: "tea cup",
    total_fee: 100,
    spbill_create_ip: "127.0.0.1",
    notify_url: shop.url,
    trade_type: "NATIVE",
    product_id: "P1",
  };
  results.place = (await api.pay.unifiedorder.post(order)).data;
  await api.pay.unifiedorder.post({ ...order, out_trade_no: "axios-plugin-v2-closed" });
  const closing = { ...identity, out_trade_no: "axios-plugin-v2-closed" };
  results.close = (await api.pay.closeorder.post(closing)).data;

  await stage.control("pay", { mch_id: stage.mchId, out_trade_no: "axios-plugin-v2" });
  const notice = Transformer.toObject((await shop.next()).body);
  results.notification = {
    verified: Hash.sign("HMAC-SHA256", notice, stage.apiKey) === notice.sign,
    out_trade_no: notice.out_trade_no,
  };
  results.query = (await api.pay.orderquery.post(number)).data;
  const refund = { ...number, out_refund_no: "axios-plugin-v2-R1", total_fee: 100, refund_fee: 40 };
  results.uncertified = await api.secapi.pay.refund.post(refund).catch((error) => error.response.status);
  results.refund = (await api.secapi.pay.refund.post(refund, { security: true })).data;
  results.query_refund = (await api.pay.refundquery.post(number)).data;
  shop.close();
});
