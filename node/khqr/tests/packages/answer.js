// Answers each line of JSON on standard input with what npm's bakong-khqr and ts-khqr, unmodified, make of it: one line
// of JSON each. Their clock is frozen at `now`.
"use strict";
const readline = require("readline");
const { BakongKHQR, IndividualInfo, MerchantInfo } = require("bakong-khqr");
const { KHQR } = require("ts-khqr");

// Both cut a payload with String.slice. No payload here needs a thousand cuts: one that takes twenty thousand is never done.
const CUTS_MAX = 20000;
const slice = String.prototype.slice;
let cuts = 0;
String.prototype.slice = function (...bounds) {
  cuts += 1;
  if (cuts > CUTS_MAX) throw new Error("hangs");
  return slice.apply(this, bounds);
};

// What `call` gives; { hangs: true } when it would never end, { throws } when it throws.
function answer(call) {
  cuts = 0;
  let given;
  try {
    given = call();
  } catch (error) {
    given = { throws: String(error) };
  }
  return cuts > CUTS_MAX ? { hangs: true } : given;
}

function generated(response, payload) {
  if (response.status.code !== 0) return { code: response.status.errorCode, message: response.status.message };
  return typeof payload === "string" ? { payload, md5: response.data.md5 } : { throws: "no text" };
}

function official(input) {
  const { bakongAccountID, merchantName, merchantCity, merchantID, acquiringBank } = input;
  const khqr = new BakongKHQR();
  const response =
    input.account_type === "merchant"
      ? khqr.generateMerchant(
          new MerchantInfo(bakongAccountID, merchantName, merchantCity, merchantID, acquiringBank, input),
        )
      : khqr.generateIndividual(new IndividualInfo(bakongAccountID, merchantName, merchantCity, input));
  return generated(response, response.data && response.data.qr);
}

function other(input) {
  const merchant = input.account_type === "merchant";
  const { billNumber, mobileNumber, storeLabel, terminalLabel, purposeOfTransaction } = input;
  const { languagePreference, merchantNameAlternateLanguage, merchantCityAlternateLanguage } = input;
  const response = KHQR.generate({
    tag: merchant ? "30" : "29",
    accountID: input.bakongAccountID,
    merchantName: input.merchantName,
    merchantID: merchant ? input.merchantID : input.accountInformation,
    acquiringBank: input.acquiringBank,
    merchantCity: input.merchantCity,
    merchantCategoryCode: input.merchantCategoryCode,
    currency: input.currency === undefined ? undefined : String(input.currency),
    amount: input.amount,
    upiMerchantAccount: input.upiMerchantAccount,
    expirationTimestamp: input.expirationTimestamp,
    additionalData: { billNumber, mobileNumber, storeLabel, terminalLabel, purposeOfTransaction },
    languageData: { languagePreference, merchantNameAlternateLanguage, merchantCityAlternateLanguage },
  });
  return generated(response, response.data && response.data.qr);
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { now, input, payload } = JSON.parse(line);
  Date.now = () => now;
  const answers =
    input !== undefined
      ? { official: answer(() => official(input)), other: answer(() => other(input)) }
      : {
          official: answer(() => ({ valid: BakongKHQR.verify(payload).isValid })),
          decoded: answer(() => BakongKHQR.decode(payload).data),
          other: answer(() => ({ code: KHQR.verifyDetail(payload).status.errorCode })),
        };
  // A length may have cut a surrogate pair in half.
  const whole = (_, value) => (typeof value === "string" ? value.toWellFormed() : value);
  process.stdout.write(JSON.stringify(answers, whole) + "\n");
});
