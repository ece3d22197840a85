#include "platform/auth/signature_cache.h"

#include <algorithm>
#include <atomic>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace boxoffice::auth {
namespace {

std::vector<HmacKey::Mac> Macs(size_t count) {
  const HmacKey key("any");
  std::vector<HmacKey::Mac> macs;
  for (size_t i = 0; i < count; ++i) macs.push_back(key.Sign(std::to_string(i)));
  return macs;
}

TEST(SignatureCache, HoldsWhatWasAddedAndNothingElse) {
  SignatureCache cache(4096);
  const std::vector<HmacKey::Mac> macs = Macs(64);
  const auto added = std::span(macs).first(32);
  for (const HmacKey::Mac& mac : added) cache.Add(mac);
  for (const HmacKey::Mac& mac : added) EXPECT_TRUE(cache.Contains(mac));
  for (const HmacKey::Mac& mac : std::span(macs).subspan(32)) EXPECT_FALSE(cache.Contains(mac));
}

// A text that differs anywhere has another MAC; half of one is not it.
TEST(SignatureCache, AllSixteenBytesCount) {
  SignatureCache cache(64);
  const HmacKey::Mac mac = Macs(1)[0];
  cache.Add(mac);
  for (size_t i = 0; i < 16; ++i) {
    HmacKey::Mac changed = mac;
    changed[i] ^= 1;
    EXPECT_FALSE(cache.Contains(changed)) << i;
  }
}

TEST(SignatureCache, AFullOneForgetsANeighbourAndHoldsTheLast) {
  SignatureCache cache(4);
  const std::vector<HmacKey::Mac> macs = Macs(100);
  for (const HmacKey::Mac& mac : macs) {
    cache.Add(mac);
    EXPECT_TRUE(cache.Contains(mac));
  }
  EXPECT_EQ(std::ranges::count_if(macs, [&](const auto& mac) { return cache.Contains(mac); }), 4);
}

TEST(SignatureCache, AgainTakesNoRoom) {
  SignatureCache cache(4);
  const std::vector<HmacKey::Mac> macs = Macs(4);
  for (int i = 0; i < 3; ++i) {
    for (const HmacKey::Mac& mac : macs) cache.Add(mac);
  }
  EXPECT_TRUE(std::ranges::all_of(macs, [&](const auto& mac) { return cache.Contains(mac); }));
}

TEST(SignatureCache, WithoutRoomItHoldsNone) {
  SignatureCache cache(0);
  cache.Add(Macs(1)[0]);
  EXPECT_FALSE(cache.Contains(Macs(1)[0]));
}

TEST(SignatureCache, ManyThreadsMayUseIt) {
  SignatureCache cache(64);
  const std::vector<HmacKey::Mac> macs = Macs(500);
  const std::vector<HmacKey::Mac> strangers(macs.begin() + 400, macs.end());
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (size_t i = 0; i < 400; ++i) {
          cache.Add(macs[i]);
          if (cache.Contains(strangers[i % strangers.size()])) ++wrong;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace boxoffice::auth
