// tenpay: v2 with a PKCS#12 file, whose password is the merchant's number.
"use strict";

const Tenpay = require("tenpay");
const stage = require("./stage");

// What its middleware makes of a notification, without a web framework around it.
async function read(api, kind, shop) {
  const { body } = await shop.next();
  const context = { request: { body } };
  let accepted = false;
  await api.middleware(kind)(context, async () => (accepted = true));
  return { accepted, refused: context.body, fields: context.request.weixin };
}

stage.tell(async (results) => {
  const shop = await stage.listen("<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>");
  const api = new Tenpay({
    appid: stage.appid,
    mchid: stage.mchId,
    partnerKey: stage.apiKey,
    pfx: stage.own("apiclient_cert.p12"),
    notify_url: shop.url,
    refund_url: shop.url,
  });
  const number = { out_trade_no: "tenpay-1" };
  const order = { body: "青瓷茶杯", total_fee: 12850, trade_type: "NATIVE", product_id: "P1" };
  results.place = await api.unifiedOrder({ ...order, ...number });
  results.query = await api.orderQuery(number);
  await api.unifiedOrder({ ...order, out_trade_no: "tenpay-2" });
  results.close = await api.closeOrder({ out_trade_no: "tenpay-2" });

  await stage.control("pay", { mch_id: stage.mchId, ...number });
  results.notification = await read(api, "pay", shop);
  results.paid = await api.orderQuery(number);

  const refund = { ...number, out_refund_no: "tenpay-R1", total_fee: 12850, refund_fee: 2850 };
  results.refund = await api.refund(refund);
  await stage.control("refunds", { mch_id: stage.mchId, out_refund_no: "tenpay-R1", status: "SUCCESS" });
  results.refund_notification = await read(api, "refund", shop);
  results.query_refund = await api.refundQuery({ out_refund_no: "tenpay-R1" });

  const day = stage.today().replace(/-/g, "");
  results.bill = await api.downloadBill({ bill_date: day }, true);
  results.fund_flow = await api.downloadFundflow({ bill_date: day }, true);

  const { auth_code } = await stage.control("codes", { mch_id: stage.mchId });
  results.sale = await api.micropay({ body: "tea", total_fee: 100, out_trade_no: "tenpay-3", auth_code });
  results.reverse = await api.reverse({ out_trade_no: "tenpay-3" });
  shop.close();
});
