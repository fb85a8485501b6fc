// wechatpay-axios-plugin: APIv3 with WeChat Pay's public key.
"use strict";

const { Aes, Formatter, Hash, Rsa, Wechatpay } = require("wechatpay-axios-plugin");
const stage = require("./stage");

const publicKey = stage.file("wechatpay_public_key.pem");
const api = new Wechatpay({
  mchid: stage.mchId,
  serial: stage.serial,
  privateKey: stage.own("apiclient_key.pem"),
  certs: { [stage.publicKeyId]: publicKey },
}).v3;

function opened(notice) {
  const headers = notice.headers;
  const message = Formatter.response(
    headers["wechatpay-timestamp"],
    headers["wechatpay-nonce"],
    notice.body,
  );
  const verified =
    headers["wechatpay-serial"] === stage.publicKeyId &&
    Rsa.verify(message, headers["wechatpay-signature"], Rsa.from(publicKey, Rsa.KEY_TYPE_PUBLIC));
  const { event_type, resource } = JSON.parse(notice.body);
  const text = Aes.AesGcm.decrypt(
    resource.ciphertext,
    stage.apiV3Key,
    resource.nonce,
    resource.associated_data,
  );
  return { verified, event_type, resource: JSON.parse(text) };
}

stage.tell(async (results) => {
  const shop = await stage.listen('{"code":"SUCCESS","message":"OK"}');
  const number = "axios-plugin-1";
  const order = {
    mchid: stage.mchId,
    appid: stage.appid,
    description: "青瓷茶杯 & <saucer>",
    notify_url: shop.url,
    amount: { total: 12850, currency: "CNY" },
  };
  const params = { mchid: stage.mchId };
  const placed = await api.pay.transactions.native.post({ ...order, out_trade_no: number });
  results.place = placed.data;
  const query = async () =>
    (await api.pay.transactions.outTradeNo.$out_trade_no$.get({ params, out_trade_no: number })).data;
  results.query = await query();

  await api.pay.transactions.native.post({ ...order, out_trade_no: "axios-plugin-2" });
  const closing = { out_trade_no: "axios-plugin-2" };
  const closed = await api.pay.transactions.outTradeNo.$out_trade_no$.close.post(params, closing);
  results.close = closed.status;

  await stage.control("pay", { mch_id: stage.mchId, out_trade_no: number });
  results.notification = opened(await shop.next());
  results.paid = await query();

  const refunded = await api.refund.domestic.refunds.post({
    out_trade_no: number,
    out_refund_no: "axios-plugin-R1",
    notify_url: shop.url,
    amount: { refund: 2850, total: 12850, currency: "CNY" },
  });
  results.refund = refunded.data;
  await stage.control("refunds", { mch_id: stage.mchId, out_refund_no: "axios-plugin-R1", status: "SUCCESS" });
  results.refund_notification = opened(await shop.next());
  const refund = api.refund.domestic.refunds.$out_refund_no$;
  results.query_refund = (await refund.get({ out_refund_no: "axios-plugin-R1" })).data;

  const day = { bill_date: stage.today(), bill_type: "ALL" };
  results.bill = (await api.bill.tradebill.get({ params: day })).data;
  const file = await api.billdownload.file.get({
    params: Object.fromEntries(new URL(results.bill.download_url).searchParams),
    transformResponse: [(data) => data],
  });
  const { rows, summary } = Formatter.castCsvBill(file.data);
  results.bill_file = { sha1: Hash.sha1(file.data), rows, summary };
  shop.close();
});
