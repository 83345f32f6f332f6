//! Why a KHQR is refused: the numbers, names and messages of the published SDKs, which merchants' software knows.
//!
//! Must not know: how a payload is read.

use std::fmt;

/// Makes the enum and what is said of each code from one table: number, variant, name, message.
macro_rules! codes {
    ($($(#[$doc:meta])* $number:literal $code:ident $name:literal $message:literal)*) => {
        /// A stable reason. Lengths are counted in units of UTF-16.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $code,)*
        }

        impl ErrorCode {
            /// All codes, by number.
            pub const ALL: [ErrorCode; 51] = [$(ErrorCode::$code,)*];

            /// The number, 1 to 51.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(ErrorCode::$code => $number,)* }
            }
            /// The name, such as `KHQR_INVALID`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(ErrorCode::$code => $name,)* }
            }
            /// The message, as the SDKs word it.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(ErrorCode::$code => $message,)* }
            }
        }
    };
}

codes! {
    /// There is no account.
    1 AccountRequired "BAKONG_ACCOUNT_ID_REQUIRED" "Bakong Account ID cannot be null or empty"
    /// There is no name (59).
    2 NameRequired "MERCHANT_NAME_REQUIRED" "Merchant name cannot be null or empty"
    /// The account is not two names with one `@` between them.
    3 AccountInvalid "BAKONG_ACCOUNT_ID_INVALID" "Bakong Account ID is invalid"
    /// The currency has no such amount (54), or it takes more than 13 characters.
    4 AmountInvalid "TRANSACTION_AMOUNT_INVALID" "Amount is invalid"
    /// There is neither an individual's template (29) nor a merchant's (30), or nothing known in it.
    5 MerchantTypeRequired "MERCHANT_TYPE_REQUIRED" "Merchant type cannot be null or empty"
    /// The account is longer than 32.
    6 AccountLength "BAKONG_ACCOUNT_ID_LENGTH_INVALID" "Bakong Account ID Length is Invalid"
    /// The name (59) is longer than 25.
    7 NameLength "MERCHANT_NAME_LENGTH_INVALID" "Merchant Name Length is invalid"
    /// No KHQR by its form: checksum, elements, a tag twice, two payees, another format than `01`.
    8 KhqrInvalid "KHQR_INVALID" "KHQR provided is invalid"
    /// There is no currency (53).
    9 CurrencyRequired "CURRENCY_TYPE_REQUIRED" "Currency type cannot be null or empty"
    /// The bill number (62, 01) is empty, longer than 25, or too long beside the others.
    10 BillNumberLength "BILL_NUMBER_LENGTH_INVALID" "Bill Name Length is invalid"
    /// The store label (62, 03), likewise.
    11 StoreLabelLength "STORE_LABEL_LENGTH_INVALID" "Store Label Length is invalid"
    /// The terminal label (62, 07), likewise.
    12 TerminalLabelLength "TERMINAL_LABEL_LENGTH_INVALID" "Terminal Label Length is invalid"
    /// Nobody answered in time.
    13 ConnectionTimeout "CONNECTION_TIMEOUT" "Cannot reach Bakong Open API service. Please check internet connection"
    /// A deep link's source lacks a part.
    14 SourceInfoInvalid "INVALID_DEEP_LINK_SOURCE_INFO" "Source Info for Deep Link is invalid"
    /// The other side failed.
    15 Internal "INTERNAL_SERVER" "Internal server error"
    /// The payload format (00) is longer than 2.
    16 FormatLength "PAYLOAD_FORMAT_INDICATOR_LENGTH_INVALID" "Payload Format indicator Length is invalid"
    /// The point of initiation (01) is empty or longer than 2.
    17 InitiationLength "POINT_INITIATION_LENGTH_INVALID" "Point of initiation Length is invalid"
    /// The merchant category (52) is longer than 4.
    18 CategoryLength "MERCHANT_CODE_LENGTH_INVALID" "Merchant code Length is invalid"
    /// The currency (53) is longer than 3.
    19 CurrencyLength "TRANSACTION_CURRENCY_LENGTH_INVALID" "Transaction currency Length is invalid"
    /// The country (58) is longer than 3.
    20 CountryLength "COUNTRY_CODE_LENGTH_INVALID" "Country code Length is invalid"
    /// The city (60) is longer than 15.
    21 CityLength "MERCHANT_CITY_LENGTH_INVALID" "Merchant city Length is invalid"
    /// The checksum (63) is longer than 4.
    22 CrcLength "CRC_LENGTH_INVALID" "CRC Length is invalid"
    /// There is no payload format (00).
    23 FormatRequired "PAYLOAD_FORMAT_INDICATOR_TAG_REQUIRED" "Payload format indicator tag required"
    /// There is no checksum (63) where one is read.
    24 CrcRequired "CRC_TAG_REQUIRED" "CRC tag required"
    /// There is no merchant category (52).
    25 CategoryRequired "MERCHANT_CATEGORY_TAG_REQUIRED" "Merchant category tag required"
    /// There is no country (58).
    26 CountryRequired "COUNTRY_CODE_TAG_REQUIRED" "Country Code cannot be null or empty"
    /// There is no city (60).
    27 CityRequired "MERCHANT_CITY_TAG_REQUIRED" "Merchant City cannot be null or empty"
    /// The currency (53) is neither riel nor US dollar.
    28 CurrencyUnsupported "UNSUPPORTED_CURRENCY" "Unsupported currency"
    /// A deep link's address is none.
    29 DeepLinkUrlInvalid "INVALID_DEEP_LINK_URL" "Deep Link URL is not valid"
    /// A merchant has no id (30, 01).
    30 MerchantIdRequired "MERCHANT_ID_REQUIRED" "Merchant ID cannot be null or empty"
    /// A merchant has no bank (30, 02), or an individual's (29, 02) is empty.
    31 BankRequired "ACQUIRING_BANK_REQUIRED" "Acquiring Bank cannot be null or empty"
    /// The merchant's id (30, 01) is longer than 32.
    32 MerchantIdLength "MERCHANT_ID_LENGTH_INVALID" "Merchant ID Length is invalid"
    /// The bank (29 or 30, 02) is longer than 32, or too long beside the others.
    33 BankLength "ACQUIRING_BANK_LENGTH_INVALID" "Acquiring Bank Length is invalid"
    /// The mobile number (62, 02) is empty, longer than 25, or too long beside the others.
    34 MobileNumberLength "MOBILE_NUMBER_LENGTH_INVALID" "Mobile Number Length is invalid"
    /// The account information (29, 01) is longer than 32.
    35 AccountInformationLength "ACCOUNT_INFORMATION_LENGTH_INVALID" "Account Information Length is invalid"
    /// Never given: any order is read.
    36 TagOrder "TAG_NOT_IN_ORDER" "Tag is not in order"
    /// Never given: 38 stands for it, as in the SDKs.
    37 LanguageRequired "LANGUAGE_PREFERENCE_REQUIRED" "Language Preference cannot be null or empty"
    /// The language (64, 00) is absent, empty or longer than 2.
    38 LanguageLength "LANGUAGE_PREFERENCE_LENGTH_INVALID" "Language Preference Length is invalid"
    /// There is a language (64, 00) without a name in it (64, 01).
    39 AlternateNameRequired "MERCHANT_NAME_ALTERNATE_LANGUAGE_REQUIRED"
        "Merchant Name Alternate Language cannot be null or empty"
    /// The name in another language (64, 01) is longer than 25.
    40 AlternateNameLength "MERCHANT_NAME_ALTERNATE_LANGUAGE_LENGTH_INVALID"
        "Merchant Name Alternate Language Length is invalid"
    /// The city in another language (64, 02) is empty or longer than 15.
    41 AlternateCityLength "MERCHANT_CITY_ALTERNATE_LANGUAGE_LENGTH_INVALID"
        "Merchant City Alternate Language Length is invalid"
    /// The purpose (62, 08) is empty, longer than 25, or too long beside the others.
    42 PurposeLength "PURPOSE_OF_TRANSACTION_LENGTH_INVALID" "Purpose of Transaction Length is invalid"
    /// The UnionPay merchant (15) is longer than 99.
    43 UnionPayLength "UPI_ACCOUNT_INFORMATION_LENGTH_INVALID" "Upi Account Information Length is invalid"
    /// A UnionPay merchant (15) in a code of US dollars.
    44 UnionPayCurrency "UPI_ACCOUNT_INFORMATION_INVALID_CURRENCY" "Upi Account Information Length does not accept USD"
    /// A code with an amount has no expiry (99, 01).
    45 ExpirationRequired "EXPIRATION_TIMESTAMP_REQUIRED" "Expiration timestamp is required for dynamic KHQR"
    /// The expiry (99, 01) is over.
    46 Expired "KHQR_EXPIRED" "This dynamic KHQR has expired"
    /// A dynamic code (01 is 12) names no amount (54).
    47 DynamicInvalid "INVALID_DYNAMIC_KHQR" "This dynamic KHQR has invalid field transaction amount"
    /// The point of initiation (01) is neither 11 nor 12.
    48 InitiationInvalid "POINT_OF_INITIATION_METHOD_INVALID" "Point of Initiation Method is invalid"
    /// The expiry (99, 01) has not 13 digits.
    49 ExpirationLength "EXPIRATION_TIMESTAMP_LENGTH_INVALID" "Expiration timestamp length is invalid"
    /// The expiry (99, 01) is before the creation (99, 00).
    50 ExpirationInPast "EXPIRATION_TIMESTAMP_IN_THE_PAST" "Expiration timestamp is in the past"
    /// The merchant category (52) is no number.
    51 CategoryInvalid "INVALID_MERCHANT_CATEGORY_CODE" "Invalid merchant category code"
}

impl ErrorCode {
    /// The code of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        ErrorCode::ALL.into_iter().find(|code| code.number() == number)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_one_to_fifty_one_and_names_and_messages_are_distinct() {
        let numbers: Vec<u8> = ErrorCode::ALL.into_iter().map(ErrorCode::number).collect();
        assert_eq!(numbers, (1..=51).collect::<Vec<u8>>());
        for text in [ErrorCode::name, ErrorCode::message] {
            let texts: std::collections::BTreeSet<&str> = ErrorCode::ALL.into_iter().map(text).collect();
            assert_eq!(texts.len(), 51);
        }
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(code.number()), Some(code));
        }
        assert_eq!((ErrorCode::from_number(0), ErrorCode::from_number(52)), (None, None));
    }
}
