"""TEST ONLY: the demonstration's two key pairs, and the key material of a simulator.

The keys are published here and open nothing anywhere.
The v3 merchants of ``DEMO_MERCHANTS`` sign with ``TEST_MERCHANT_PRIVATE_KEY``. The simulator
signs as WeChat Pay with ``TEST_PLATFORM_PRIVATE_KEY``, so that settings can name
``TEST_PUBLIC_KEY_ID`` and ``TEST_PUBLIC_KEY`` before it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from django_wxpay.protocol.secrets import Secret

TEST_API_V3_KEY: Final = "TESTONLYapiv3keyTESTONLYapiv3key"

TEST_MERCHANT_SERIAL_NO: Final = "005CEED07905D5A14950A5803F612098DF2787E5"

TEST_MERCHANT_PRIVATE_KEY: Final = """\
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC8M9Dx/1hPltc+
KWFNeHmT8jCPv18pLAKhZRS/5fIZjnFdCvTD4NxpENlhZBCgYh4lsaIZ7fx2B+b4
EzO4WohiGrz3MA7AJiKNnGPmxbSLyUsa3TEqRofIdA4kVjyqYS69+EUFtEmO0JHQ
eGrG/vbDMdXSujyYiV3dFU5SM5ouFXlRwm19zEthYoAd6AN9jWs3yZf7rSgKsGMz
2aSNWbV/aX2Jgt9jTiLz3YHfXN6q9SoJZWOcMcp8LkumS6gMK7hAKdfCaBg+ojgF
7uZ3P4Mc8sKyz1dXKf3CPOTgi6pWNxRf39rlEWaVNcN/D1JFApfQpQmz3hyOPI/r
xl/vMhrbAgMBAAECggEAAIrxtlDzMz+PHVnHMw7+4sNXCoMVxiufUlHVTnxeR16W
yxrl+86hNBhdWB+OwLenuJobipGaIckCDIMZqhVwwT+sfdYApOM3REtIKnk1fRW2
hrxOkP2lFJnpFIe/IwqmtNuLb2nGsIe/c+d0/1/q3EM/h50L4bC7uZB/KlOFxU4/
SAULTy/nPB4hXO/lqFSLejyNYL2wjudpJpiQgPTrs3Z+jxkfDAbBin9mdEzTVXf2
Jaam9QTO/M0W59DoSUYNlDcBm3jWFCWjKTTOSH53VAN+Up2jGiFX+4qAByf4Whg1
LkQSc/wFp0S1CsiDg2OlPOCKpUKlC+Nx6d6+0s420QKBgQDjSPIznEzHVuyP+3+W
gd9PDHCRBVJoGXgi+K2yfrbcv4+FfNExl6acCCZXUr/1OXtNRI/dm20s2vO+NYL5
Dl6OL5NsLqS5SlCQEyEZFHuQSkrCAw/WS3MgUK9T6f4TZIgTW+iU4yDCEWI1wBGl
zFQsihcVRs7SRLSkrzC/8DkeiQKBgQDT+tPYCzMXpxZ42Omm6ybrtByY2dGKUBOa
+S/fviVXjXhqYRsiFRBoxzlDVg3UujgDODz+/7sgMLOABgg012p8U4UNeBKKUin1
XdqvLkeTW7O80E92hl6re7wz9+kB3JurCmVeT9t2EY9ogqPgEuEKZgG7zjC8soQf
oqI7BFb1QwKBgGc0lX5oB9kwmGTc/9eZC4y6ilbfwsawYgQHReBad7CPb51eyyMo
yKfrb3WRhsbUni+85VLso8uNdMa3R8zOAJOx+NBT8cqNez2g4hOgYGdpxL6KY2Oc
iR9wY9zH0O5/ZObdgiQxaouVFzJvD9RojwRWhBrON1X1is2JG6rcayN5AoGBAKxA
67poR2lV/n3PDfb0qRjpsD9I6Owy6+uHyC5Rbji6Hfqb1Bea9E2gbljYab7OX8vF
/FLebinXSVWkETEXR1Gl8L2kL7S01aGsVZL60XDeGK06vQe8YtuIXcQBFRfNM7YG
aZ7814IW/OjZF99yl+oCQDBjedksWw718kxw11TPAoGAcX/121UFt8XW9L40UIaM
jBQbAwpK+jaRQUapi/ehxS4zpeLODh96gSgZsctPKZ+XFkEr2QFWoK+mnArZ31FE
6POUgF1oHgb+YENAwzhExyQss4cAWkOdNea8YrJS0uvJdF06x54nBzQfu00PHCZG
P07mv/dSdEa22HNx0rpWyI0=
-----END PRIVATE KEY-----
"""

# Certifies that key; v2 shows it for refunds and reversals.
TEST_MERCHANT_CERTIFICATE: Final = """\
-----BEGIN CERTIFICATE-----
MIIC2zCCAcOgAwIBAgITXO7QeQXVoUlQpYA/YSCY3yeH5TANBgkqhkiG9w0BAQsF
ADAnMSUwIwYDVQQDDBxURVNUIE1FUkNIQU5ULCBPUEVOUyBOT1RISU5HMCAXDTI0
MDEwMTAwMDAwMFoYDzIxMjQwMTAxMDAwMDAwWjAnMSUwIwYDVQQDDBxURVNUIE1F
UkNIQU5ULCBPUEVOUyBOT1RISU5HMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIB
CgKCAQEAvDPQ8f9YT5bXPilhTXh5k/Iwj79fKSwCoWUUv+XyGY5xXQr0w+DcaRDZ
YWQQoGIeJbGiGe38dgfm+BMzuFqIYhq89zAOwCYijZxj5sW0i8lLGt0xKkaHyHQO
JFY8qmEuvfhFBbRJjtCR0Hhqxv72wzHV0ro8mIld3RVOUjOaLhV5UcJtfcxLYWKA
HegDfY1rN8mX+60oCrBjM9mkjVm1f2l9iYLfY04i892B31zeqvUqCWVjnDHKfC5L
pkuoDCu4QCnXwmgYPqI4Be7mdz+DHPLCss9XVyn9wjzk4IuqVjcUX9/a5RFmlTXD
fw9SRQKX0KUJs94cjjyP68Zf7zIa2wIDAQABMA0GCSqGSIb3DQEBCwUAA4IBAQCe
bFRbAGF6G6jLJIN/YpM+ZCUqwjugxzHjXmBXQINrWBChR7U6BGbeOLbSRfbODGdP
gKNdUCUzP8AbtHOSe6MXJyKvknwuefVqkPQwkWRvMTgFr0KKVGJQ1yt7Kht8tj1e
h09YXqfRk1MbRVm8jxyhVO2PeXDnd/YOzh5KUklxrOHm2bEepGPR6ZGJa0mpwboa
Iv8YvkwxOZf0NASqgn5yb+x0Q/ZSNw5h/UZZ4ZQLTBkL0qgGmTxmm3NTE8Ahfn6Z
ZtNMmzJt/jDfUwwZJgwsI40qmQBRMcpdAHQgBZVy/ng5wux8CYGSV33jO2UB6iji
sC/Hr1RDBHMq7Xtvn6LP
-----END CERTIFICATE-----
"""

TEST_PUBLIC_KEY_ID: Final = "PUB_KEY_ID_0000000000002026010100000000000000"

TEST_PUBLIC_KEY: Final = """\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApPRuOFgtx+FQuuwKS134
B9mKl4QkxanFTL9eq+70T3EVSHHxPeD1ojkkrqO/eBdDNdKV6LwBJVL90EZvy4jV
1qWIaZLHxoV+MgMhZNy3BFr3LjAsWAMCu+SMBiefEg+pEbajulMge6sWXF5Ea/5w
N09AYee5vhh8ZuoKBMSxVEEQBNAlg8eLckODUodMXErArtQAkTjL61ijjkslvKmo
BugAVvMuLzDOlQCzN0tjQC+w9ZclclhP3HgoPfaVyBQlY7EGTnDa30s+fBlOcVfo
2oSU89oFhkdRCJBdG2ilfPAZzyzo7MRFSgQgfJ8ugi9B8JdHuupq89ph2EIo7M6K
TQIDAQAB
-----END PUBLIC KEY-----
"""

TEST_PLATFORM_PRIVATE_KEY: Final = """\
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCk9G44WC3H4VC6
7ApLXfgH2YqXhCTFqcVMv16r7vRPcRVIcfE94PWiOSSuo794F0M10pXovAElUv3Q
Rm/LiNXWpYhpksfGhX4yAyFk3LcEWvcuMCxYAwK75IwGJ58SD6kRtqO6UyB7qxZc
XkRr/nA3T0Bh57m+GHxm6goExLFUQRAE0CWDx4tyQ4NSh0xcSsCu1ACROMvrWKOO
SyW8qagG6ABW8y4vMM6VALM3S2NAL7D1lyVyWE/ceCg99pXIFCVjsQZOcNrfSz58
GU5xV+jahJTz2gWGR1EIkF0baKV88BnPLOjsxEVKBCB8ny6CL0Hwl0e66mrz2mHY
QijszopNAgMBAAECggEAB3bpgfKOPSGiEJixLTtBsmvoDKE133KmSKnO8+1/8BRd
nTCiymUNWIZIyv+tS2w/ZgZzMtvxxVRIbg4HQxOccaEorMuv704yfrrg3k/qlu+I
M0vfcIAlCzGgGysx1JRm1zQHnAfk9r5a6Fp6XX9fE/Gp0oRfmw2VRjxIWxziKr4l
rVrxNjLbmJ+B7o/2imfF2bCPCPcMGuaO6nXron4+FNRwdkZEyDebGHzl4PVk1f4H
RLcj83+y5PjTFDGuGjVhfSxGwGppgBZy4PazugCx4n0NYxdJfFlrD7eiYsZCub+N
LfCegRdGFUNOB3YoHM5cjE2LZs8o/kX+eJ4mpmkdFQKBgQDbpBlxQdeBwnlQOx6t
JVNEt990wqV4H1PSqPjqLTAFVd2iqU9HhJ3G3E3T1+JMXTnJE9sego+fkPgtxzjV
uPZdf2aLT3XoGTQ1otdasFR0MDyUxPEA7L4axeBkMK4Ci5VMhM05ilvwDM/jtC0j
/rMy+LYPyHuJCrSlk5nBC2x4hwKBgQDAQtnCWDPYs3bD7rPxVPq+C/t5v9YTjLeE
TGckl5I3W/gZIpmYXBqHCYZT8pCOUmJcPHOahQGKV401vHO39FgEJ1qhCGAJqc9N
9NSNZwfIEH20CRnTdPGuyDHvNrGHlAR8pyEBnbNcIJHI0PJLK+KbNjIZKEciWvLb
Ud5rdRlfiwKBgQCAcikG2NBk7Avx5YD9FNTrXPRq3eHSq89jZLmciSyKEjr5AzZ/
xohWYUOKXbfTnLlMZDZCU2wWjrr0WotcQTyiVPzs/10ejI7BxydVu8TH5eWnwryG
I+zQz2N4dBdvGZ4ID6nMuqMlcPiqWxYC9NJrPpOKC15jOEWIhxblk/6tRQKBgHpN
jGze4wxlDZYSURGiN2eSA8UtTadeCpf0amCSswbYUHjc08xiOtXQL01TrrV6nuuB
4SBYn+Q7Ua7vVMWegCcUScjKpR1AkolKx7Oz6PVR2EUgzPcBG4VOAMXliwVuGXSa
dJqskR538YVHtfovzpVh4niycJ3gMUFnURAWi6+FAoGAe1cZ+SfjsUOdlDdyJgSj
XECL3iF4Z4CVDGArbFmPxUftbuzlPDIX64aC6K2XlDhFQAdSq6XuxFqUO69Dn+G6
RRi6dJclqqt+pkM2CuzQlHIQ9j24d03+Yp/K3kL1jdzGOPtAuN5AiuXPgHLljv/W
6m0OBSbdaEuOlhSa/EMk/t4=
-----END PRIVATE KEY-----
"""

# An entry of MERCHANTS with these in the place of its own verifies what the simulator signs.
TEST_KEYS: Final[dict[str, str]] = {
    "API_V3_KEY": TEST_API_V3_KEY,
    "PRIVATE_KEY": TEST_MERCHANT_PRIVATE_KEY,
    "CERT_SERIAL_NO": TEST_MERCHANT_SERIAL_NO,
    "CLIENT_CERT": TEST_MERCHANT_CERTIFICATE,
    "CLIENT_KEY": TEST_MERCHANT_PRIVATE_KEY,
    "WECHATPAY_PUBLIC_KEY": TEST_PUBLIC_KEY,
    "WECHATPAY_PUBLIC_KEY_ID": TEST_PUBLIC_KEY_ID,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMaterial:
    """WeChat Pay's side of the keys, as PEMs; the defaults are the demonstration's.

    ``private_key`` belongs to the WeChat Pay public key that ``public_key_id`` names.
    ``certificate`` is the first platform certificate and ``certificate_key`` its private key;
    without them a pair is made. A private key that is given as text becomes a ``Secret``.
    """

    public_key_id: str = TEST_PUBLIC_KEY_ID
    private_key: Secret = field(default=Secret(TEST_PLATFORM_PRIVATE_KEY), repr=False)
    certificate: str = ""
    certificate_key: Secret = field(default=Secret(""), repr=False)

    def __post_init__(self) -> None:
        for name in ("private_key", "certificate_key"):
            object.__setattr__(self, name, Secret.of(getattr(self, name)))
