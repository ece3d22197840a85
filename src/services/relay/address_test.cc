#include "services/relay/address.h"

#include <gmock/gmock.h>

namespace boxoffice::relay {
namespace {

bool IsPublicText(std::string_view text) { return IsPublic(ParseAddress(text).value()); }

TEST(AddressTest, PublicAddressesArePublic) {
  for (const char* text :
       {"1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.0.1", "168.63.129.15",
        "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
    EXPECT_TRUE(IsPublicText(text)) << text;
  }
}

TEST(AddressTest, WhatIsNotOnThePublicInternetIsNot) {
  for (const char* text : {"0.0.0.0",
                           "10.0.0.1",
                           "100.64.0.1",
                           "127.0.0.1",
                           "127.9.9.9",
                           "168.63.129.16",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.8",
                           "192.0.2.1",
                           "192.88.99.1",
                           "192.168.1.1",
                           "198.18.0.1",
                           "198.51.100.7",
                           "203.0.113.7",
                           "224.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "fe80::1",
                           "fc00::1",
                           "fd12::1",
                           "ff02::1",
                           "2001:db8::1",
                           "2001::1",
                           "2002:7f00:1::",
                           "100::1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "::ffff:168.63.129.16",
                           "64:ff9b::7f00:1",
                           "64:ff9b::a83f:8110",
                           "64:ff9b:1::1",
                           "::127.0.0.1"}) {
    EXPECT_FALSE(IsPublicText(text)) << text;
  }
}

TEST(AddressTest, NamesAndOddNumbersAreNoAddresses) {
  for (const char* text : {"", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "1.2.3.4.5", "::g"}) {
    EXPECT_EQ(ParseAddress(text), std::nullopt) << text;
  }
}

TEST(AddressTest, ANetworkThatWasNamedIsAllowedAndNoOther) {
  const AddressPolicy policy(ParseNetworks("127.0.0.1,10.1.0.0/15,fd00::/8").value());
  for (const char* text : {"127.0.0.1", "10.0.0.1", "10.1.2.3", "fd00::1", "8.8.8.8", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(policy.Allows(ParseAddress(text).value())) << text;
  }
  for (const char* text : {"127.0.0.2", "10.2.0.0", "192.168.0.1", "fe80::1"}) {
    EXPECT_FALSE(policy.Allows(ParseAddress(text).value())) << text;
  }
  EXPECT_TRUE(AddressPolicy(ParseNetworks("0.0.0.0/0,::/0").value()).Allows(ParseAddress("::1").value()));
}

TEST(AddressTest, ANetworkThatCantBeReadIsNamed) {
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/x", "10.0.0.0/", "localhost", "10.0.0.0/8,,", "::/129"}) {
    const auto parsed = ParseNetworks(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().reason, "config");
  }
  EXPECT_THAT(ParseNetworks("10.0.0.0/8,nowhere").error().detail, testing::HasSubstr("`nowhere`"));
  EXPECT_TRUE(ParseNetworks("")->empty());
}

}  // namespace
}  // namespace boxoffice::relay
