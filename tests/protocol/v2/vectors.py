"""The signature vectors of protocol-v2 section 2.2, word for word: P published, M our own.

A row is the vector's name, its parameters, its sign type, and the signature they have to get.
"""

from __future__ import annotations

K1 = "192006250b4c09247ec02edce69f6a2d"
P5_KEY = "qazwsxedcrfvtgbyhnujmikolp111111"

Fields = dict[str, str]

BASE: Fields = {
    "appid": "wxd930ea5d5a258f4f",
    "body": "test",
    "device_info": "1000",
    "mch_id": "10000100",
    "nonce_str": "ibuaiVcKdpRxkhJA",
}
_E: Fields = {name: BASE[name] for name in ("appid", "mch_id", "nonce_str")}
_P5: Fields = {
    "appId": "wxd678efh567hg6787",
    "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
    "package": "prepay_id=wx2017033010242291fcfe0db70013231072",
    "signType": "MD5",
    "timeStamp": "1490840662",
}
_M3 = BASE | {"body": "腾讯充值中心-QQ会员充值"}
_M6 = BASE | {
    "detail": '{"goods_detail":[{"goods_id":"1001",'
    '"goods_name":"a & b <c>","quantity":1,"price":1}]}'
}
_M7 = BASE | {"body": " a+b=%20&c<d>\"' "}
_M9: Fields = {
    "coupon_count": "11",
    "coupon_fee": "6",
    **{f"coupon_fee_{index}": "1" for index in range(11)},
}
_M10: Fields = {"appId": "1", "appid": "2", "a_b": "3", "ab": "4", "aB": "5", "a1": "6"}
_M11 = _E | {
    "sub_appid": "wx1111111111111111",
    "sub_mch_id": "10000200",
    "body": "test",
    "out_trade_no": "T20260101000001",
    "total_fee": "1",
    "spbill_create_ip": "127.0.0.1",
    "notify_url": "https://example.com/notify",
    "trade_type": "JSAPI",
    "sub_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
}
M12 = _E | {
    "return_code": "SUCCESS",
    "return_msg": "OK",
    "result_code": "SUCCESS",
    "prepay_id": "wx0112345678901234567890abcdef0000",
    "trade_type": "JSAPI",
}
M13 = _E | {
    "return_code": "SUCCESS",
    "return_msg": "OK",
    "result_code": "FAIL",
    "err_code": "ORDERPAID",
    "err_code_des": "该订单已支付",
}
_M14: Fields = {
    "appId": "wxd930ea5d5a258f4f",
    "timeStamp": "1490840662",
    "nonceStr": "ibuaiVcKdpRxkhJA",
    "package": "prepay_id=wx0112345678901234567890abcdef0000",
}
_M15: Fields = {
    "appid": "wxd930ea5d5a258f4f",
    "partnerid": "10000100",
    "prepayid": "wx0112345678901234567890abcdef0000",
    "package": "Sign=WXPay",
    "noncestr": "ibuaiVcKdpRxkhJA",
    "timestamp": "1490840662",
}
_M17 = _E | {
    "interface_url": "https://api.mch.weixin.qq.com/pay/unifiedorder",
    "execute_time_": "123",
    "return_code": "SUCCESS",
    "result_code": "SUCCESS",
    "user_ip": "127.0.0.1",
    "out_trade_no": "T20260101000001",
    "time": "20260101000001",
}
_M18 = {k.replace("execute_time_", "execute_time"): v for k, v in _M17.items()}
_M20 = _E | {
    "interface_url": "https://api.mch.weixin.qq.com/pay/batchreport/micropay/total",
    "user_ip": "127.0.0.1",
    "trades": '[{"out_trade_no":"T20260101000001","begin_time":"20260101000000",'
    '"end_time":"20260101000005","state":"OK","err_msg":""}]',
}

# Protocol-v2 section 7.3, word for word.
M21_XML = b"""<xml>
<appid><![CDATA[wxd930ea5d5a258f4f]]></appid>
<attach><![CDATA[]]></attach>
<bank_type><![CDATA[OTHERS]]></bank_type>
<cash_fee><![CDATA[70]]></cash_fee>
<cash_fee_type><![CDATA[CNY]]></cash_fee_type>
<coupon_count><![CDATA[2]]></coupon_count>
<coupon_fee><![CDATA[30]]></coupon_fee>
<coupon_fee_0><![CDATA[20]]></coupon_fee_0>
<coupon_fee_1><![CDATA[10]]></coupon_fee_1>
<coupon_id_0><![CDATA[10000]]></coupon_id_0>
<coupon_id_1><![CDATA[10001]]></coupon_id_1>
<coupon_type_0><![CDATA[CASH]]></coupon_type_0>
<coupon_type_1><![CDATA[NO_CASH]]></coupon_type_1>
<fee_type><![CDATA[CNY]]></fee_type>
<is_subscribe><![CDATA[N]]></is_subscribe>
<mch_id><![CDATA[10000100]]></mch_id>
<nonce_str><![CDATA[ibuaiVcKdpRxkhJA]]></nonce_str>
<openid><![CDATA[oUpF8uMuAJO_M2pxb1Q9zNjWeS6o]]></openid>
<out_trade_no><![CDATA[T20260101000001]]></out_trade_no>
<result_code><![CDATA[SUCCESS]]></result_code>
<return_code><![CDATA[SUCCESS]]></return_code>
<settlement_total_fee>90</settlement_total_fee>
<sign><![CDATA[4B1F27459B0443CC8F2D5E987032115C]]></sign>
<time_end><![CDATA[20260101000130]]></time_end>
<total_fee>100</total_fee>
<trade_type><![CDATA[JSAPI]]></trade_type>
<transaction_id><![CDATA[4200000000202601010000000001]]></transaction_id>
</xml>"""
M21: Fields = {
    "appid": "wxd930ea5d5a258f4f",
    "bank_type": "OTHERS",
    "cash_fee": "70",
    "cash_fee_type": "CNY",
    "coupon_count": "2",
    "coupon_fee": "30",
    "coupon_fee_0": "20",
    "coupon_fee_1": "10",
    "coupon_id_0": "10000",
    "coupon_id_1": "10001",
    "coupon_type_0": "CASH",
    "coupon_type_1": "NO_CASH",
    "fee_type": "CNY",
    "is_subscribe": "N",
    "mch_id": "10000100",
    "nonce_str": "ibuaiVcKdpRxkhJA",
    "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "out_trade_no": "T20260101000001",
    "result_code": "SUCCESS",
    "return_code": "SUCCESS",
    "settlement_total_fee": "90",
    "time_end": "20260101000130",
    "total_fee": "100",
    "trade_type": "JSAPI",
    "transaction_id": "4200000000202601010000000001",
}
M22 = M21 | {
    "sub_appid": "wx1111111111111111",
    "sub_mch_id": "10000200",
    "sub_openid": "oSUB8uMuAJO_M2pxb1Q9zNjWeS6o",
    "sub_is_subscribe": "Y",
}

_P1_MD5 = "9A0A8659F005D6984697E2CA0A9CF3B7"
_P2_HMAC = "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"
_P3: Fields = {"test1": "test1", "test2": "test2"}
_MD5, _HMAC = "MD5", "HMAC-SHA256"

SIGNATURES: list[tuple[str, Fields, str, str, str]] = [
    ("P1", BASE, K1, _MD5, _P1_MD5),
    ("P2", BASE, K1, _HMAC, _P2_HMAC),
    ("P3", _P3, K1, _MD5, "1E3A8D73B5A4AEE787C0F68B5DAB8520"),
    ("P4", _P3, K1, _HMAC, "EDAC6D70D2FDF5A2382F8204FC96A1918017E46ACC5297F565ED1A7610ACF659"),
    ("P5", _P5, P5_KEY, _MD5, "22D9B4E54AB1950F51E0649E8810ACD6"),
    ("M1", BASE | {"sign_type": "MD5"}, K1, _MD5, "6B4978B16793D0C2604CD59C47425A27"),
    (
        "M2",
        BASE | {"sign_type": "HMAC-SHA256"},
        K1,
        _HMAC,
        "2C9DF1156522C0B2B03B4DBF3BCA5CACB602CBD5CA0F9E112458CF3E9855303B",
    ),
    ("M3", _M3, K1, _MD5, "385985D44CFE023026D6429EA056492E"),
    ("M3", _M3, K1, _HMAC, "430B03553E0C7B67F29DCCDC3D6B91A015AA1B818A99600AD4FBDD86BB2FBB92"),
    ("M4", BASE | {"attach": ""}, K1, _MD5, _P1_MD5),
    ("M4", BASE | {"attach": ""}, K1, _HMAC, _P2_HMAC),
    ("M5", BASE | {"coupon_count": "0"}, K1, _MD5, "53F51266D1D7EDD1B52A46CC7CDC245A"),
    ("M6", _M6, K1, _MD5, "EC1BB260A7F5AC1597B171F3ABC5CE70"),
    ("M7", _M7, K1, _MD5, "D86C438AEF46351C0033A3340A5013F3"),
    ("M7", _M7, K1, _HMAC, "BD32C22BC2E5E142249EF64BF00E0077177A63FE5652E4E1344F3044BD080CFD"),
    ("M8", BASE | {"body": "\U0001f600\nx"}, K1, _MD5, "BDC74F1A88133B8A7C7430CD02B8D5A2"),
    ("M9", _M9, K1, _MD5, "541E14C380743BC4701DB6F9BB0B6507"),
    ("M10", _M10, K1, _MD5, "4A9CB638781584C4F317773E35550127"),
    ("M11", _M11 | {"sign_type": "MD5"}, K1, _MD5, "9F3F087A366C290F9682E979DAC017D4"),
    (
        "M11",
        _M11 | {"sign_type": "HMAC-SHA256"},
        K1,
        _HMAC,
        "5EA32CB03963AA9F1ABDDD8BCDCC4F4D8390411B9427992A459501487DB0935A",
    ),
    ("M12", M12, K1, _MD5, "C1D37A1438E658F77AC5CA3BD3A2A149"),
    ("M12", M12, K1, _HMAC, "9DECF04EE782E87BA6DE55A20B8E685143870EF54FD8CA943418C28A0516DA9E"),
    ("M13", M13, K1, _MD5, "4D40DFD965B715311609A4848F069907"),
    ("M13", M13, K1, _HMAC, "B13A0554D05F787509125E053D8344C75E1DB58A47F2FACE7B610DEA3FB54D65"),
    ("M14", _M14 | {"signType": "MD5"}, K1, _MD5, "493D69E7E9129F50330BA9C0ACF7FB86"),
    (
        "M14",
        _M14 | {"signType": "HMAC-SHA256"},
        K1,
        _HMAC,
        "CA77BE38B3D2BAD515E7071C2A20CAEBFF96B2C4885A0FA1FF031DB8137E9FBC",
    ),
    ("M15", _M15, K1, _MD5, "FD5FE6E54667F9D6EB48A49CA7BEFCFF"),
    ("M15", _M15, K1, _HMAC, "D36D50864C8F584D757413D01BA812657B4496946052022DC10D43960D5214A0"),
    (
        "M16",
        _E | {"product_id": "P1001", "time_stamp": "1490840662"},
        K1,
        _MD5,
        "291BD38A13AE74924150380CE50A0507",
    ),
    ("M17", _M17, K1, _MD5, "97A40CFEC5410C5E3EB0338849C5B6EF"),
    ("M17", _M17, K1, _HMAC, "53611A85F9C68AEAACCEBFD8CD07356B7A05BC07F96344AFBB8A1C34CA9CCE43"),
    ("M18", _M18, K1, _MD5, "64153DDB1A837C61D39747E0CCDDE428"),
    (
        "M19",
        {"mch_id": "10000100", "nonce_str": "ibuaiVcKdpRxkhJA"},
        K1,
        _MD5,
        "3BE08E133DAD6BD5D30EC69B26CCAEE2",
    ),
    ("M20", _M20, K1, _MD5, "6CD70B80FAA205C011556FE6C67377B5"),
    ("M21", M21, K1, _MD5, "4B1F27459B0443CC8F2D5E987032115C"),
    (
        "M21",
        M21 | {"sign_type": "HMAC-SHA256"},
        K1,
        _HMAC,
        "41AD78552EA36CFBCEAFA0908432C7C7F38D20DB32E6943C768B3189F4E8ABFF",
    ),
    ("M22", M22, K1, _MD5, "BD5B5D7D32335501E783D26B863CF99D"),
    ("M23", M21 | {"new_field_from_wechat": "x"}, K1, _MD5, "FEB71AD7B88BB2A64730C36AFE5E43E8"),
]

IDS = [f"{name} {sign_type}" for name, _, _, sign_type, _ in SIGNATURES]

# Signatures that a known mistake yields, and that must never pass.
MISTAKES: list[tuple[str, Fields, str]] = [
    ("M4: the empty value signed", BASE | {"attach": ""}, "C14A961532040E73C3BE6ECE35946C13"),
    ("M3: the body URL-encoded", _M3, "146E7470C9478D8990AB13D1CBC21071"),
    ("M18: execute_time for execute_time_", _M17, "64153DDB1A837C61D39747E0CCDDE428"),
    ("M17: execute_time_ for execute_time", _M18, "97A40CFEC5410C5E3EB0338849C5B6EF"),
    (
        "M23: the unknown field left out",
        M21 | {"new_field_from_wechat": "x"},
        "4B1F27459B0443CC8F2D5E987032115C",
    ),
    ("the official sample's placeholder", BASE, "C380BEC2BFD727A4B6845133519F3AD6"),
]
