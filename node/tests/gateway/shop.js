// npm's bakong-khqr, unmodified, with only its base URL set: makes a code, asks the node for its deep link, and checks
// accounts. usage: node shop.js BASE_URL ACCOUNT; prints one JSON object.
"use strict";
const { BakongKHQR, IndividualInfo, SourceInfo, khqrData } = require("bakong-khqr");

async function main(base, account) {
  const info = new IndividualInfo(account, "Coffee House", "Phnom Penh", {
    currency: khqrData.currency.khr,
    amount: 4000,
    billNumber: "INV-NPM",
    expirationTimestamp: Date.now() + 600000,
  });
  const code = new BakongKHQR().generateIndividual(info).data;
  const source = new SourceInfo("https://shop.example/icon.png", "Coffee House", "https://shop.example/paid");
  const link = await BakongKHQR.generateDeepLink(`${base}/v1/generate_deeplink_by_qr`, code.qr, source);
  const check = (name) => BakongKHQR.checkBakongAccount(`${base}/v1/check_bakong_account`, name);
  const known = await check(account);
  const unknown = await check("nobody@wing");
  console.log(JSON.stringify({ qr: code.qr, md5: code.md5, link, known, unknown }));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
