// wechatpay-node-v3: APIv3 with platform certificates, which it downloads.
"use strict";

const Pay = require("wechatpay-node-v3");
const stage = require("./stage");

stage.tell(async (results) => {
  const shop = await stage.listen('{"code":"SUCCESS","message":"OK"}');
  const pay = new Pay({
    appid: stage.appid,
    mchid: stage.mchId,
    publicKey: stage.own("apiclient_cert.pem"),
    privateKey: stage.own("apiclient_key.pem"),
    key: stage.apiV3Key,
  });
  // It reads the serial from the certificate and writes it in its own way.
  results.serial = pay.serial_no;
  results.certificates = (await pay.get_certificates(stage.apiV3Key)).map((one) => one.serial_no);

  const opened = async () => {
    const { headers, body } = await shop.next();
    const verified = await pay.verifySign({
      timestamp: headers["wechatpay-timestamp"],
      nonce: headers["wechatpay-nonce"],
      serial: headers["wechatpay-serial"],
      signature: headers["wechatpay-signature"],
      apiSecret: stage.apiV3Key,
      body,
    });
    const { event_type, resource } = JSON.parse(body);
    const { ciphertext, associated_data, nonce } = resource;
    return { verified, event_type, resource: pay.decipher_gcm(ciphertext, associated_data, nonce) };
  };
  const number = "node-v3-1";
  const order = {
    description: "青瓷茶杯 & <saucer>",
    notify_url: shop.url,
    amount: { total: 12850 },
  };
  results.place = await pay.transactions_native({ ...order, out_trade_no: number });
  results.query = await pay.query({ out_trade_no: number });
  await pay.transactions_native({ ...order, out_trade_no: "node-v3-2" });
  results.close = await pay.close("node-v3-2");

  await stage.control("pay", { mch_id: stage.mchId, out_trade_no: number });
  results.notification = await opened();
  results.paid = await pay.query({ out_trade_no: number });

  results.refund = await pay.refunds({
    out_trade_no: number,
    out_refund_no: "node-v3-R1",
    notify_url: shop.url,
    amount: { refund: 2850, total: 12850, currency: "CNY" },
  });
  await stage.control("refunds", { mch_id: stage.mchId, out_refund_no: "node-v3-R1", status: "SUCCESS" });
  results.refund_notification = await opened();
  results.query_refund = await pay.find_refunds("node-v3-R1");

  results.bill = await pay.tradebill({ bill_date: stage.today(), bill_type: "ALL" });
  results.bill_file = await pay.downloadBill(results.bill.data.download_url);
  results.jsapi = await pay.transactions_jsapi({
    ...order,
    out_trade_no: "node-v3-3",
    payer: { openid: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" },
  });
  shop.close();
});
