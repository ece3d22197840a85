#include "platform/obs/span_context.h"

#include <array>
#include <cstring>
#include <random>

#include "base/random.h"
#include "platform/obs/span.h"

namespace boxoffice::obs {
namespace {

constexpr size_t kSize = 55;  // of a traceparent
constexpr uint8_t kNoDigit = 0xff;
constexpr std::array<uint8_t, 256> kDigits = [] {
  std::array<uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (uint8_t i = 0; i < 10; ++i) digits[static_cast<size_t>('0' + i)] = i;
  for (uint8_t i = 0; i < 6; ++i) digits[static_cast<size_t>('a' + i)] = static_cast<uint8_t>(10 + i);
  return digits;
}();

uint8_t Digit(char c) { return kDigits[static_cast<uint8_t>(c)]; }

// Sixteen digits; `bad` grows to kNoDigit where one is none.
uint64_t ReadHex(const char* text, uint8_t& bad) {
  uint64_t number = 0;
  for (int i = 0; i < 16; ++i) {
    const uint8_t digit = Digit(text[i]);
    bad |= digit;
    number = number << 4 | digit;
  }
  return number;
}

constexpr std::array<std::array<char, 2>, 256> kHex = [] {
  constexpr std::string_view kLetters = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kLetters[i >> 4], kLetters[i & 15]};
  return pairs;
}();

void WriteHex(uint64_t number, char* out) {
  for (int i = 14; i >= 0; i -= 2, number >>= 8) std::memcpy(out + i, kHex[number & 0xff].data(), 2);
}

// splitmix64: a bijection that spreads what is near.
uint64_t Spread(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

uint64_t NextRandom() {
  thread_local uint64_t state = SystemSeed();
  state += 0x9e3779b97f4a7c15;
  return Spread(state);
}

}  // namespace

bool IsSampled(std::string_view traceparent) {
  return traceparent.size() == kSize && Digit(traceparent[54]) != kNoDigit &&
         (Digit(traceparent[54]) & 1) != 0;
}

SpanContext ParseSpanContext(std::string_view traceparent) {
  if (traceparent.size() != kSize || !traceparent.starts_with("00-") || traceparent[35] != '-' ||
      traceparent[52] != '-') {
    return {};
  }
  uint8_t bad = 0;
  SpanContext context;
  context.trace_high = ReadHex(traceparent.data() + 3, bad);
  context.trace_low = ReadHex(traceparent.data() + 19, bad);
  context.span = ReadHex(traceparent.data() + 36, bad);
  bad |= Digit(traceparent[53]) | Digit(traceparent[54]);
  if (bad > 15 || (context.trace_high | context.trace_low) == 0 || context.span == 0) return {};
  context.sampled = (Digit(traceparent[54]) & 1) != 0;
  return context;
}

SpanContext ParseIfSampled(std::string_view traceparent) {
  return IsSampled(traceparent) ? ParseSpanContext(traceparent) : SpanContext();
}

std::string_view TraceId(std::string_view traceparent) {
  return ParseSpanContext(traceparent) ? traceparent.substr(3, 32) : std::string_view();
}

void WriteTraceparent(const SpanContext& context, std::string& out) {
  out.assign("00-00000000000000000000000000000000-0000000000000000-00");
  WriteHex(context.trace_high, out.data() + 3);
  WriteHex(context.trace_low, out.data() + 19);
  WriteHex(context.span, out.data() + 36);
  if (context.sampled) out[54] = '1';
}

std::string ToTraceparent(const SpanContext& context) {
  std::string text;
  WriteTraceparent(context, text);
  return text;
}

uint64_t NewSpanId() { return NextRandom() | 1; }

uint64_t DeriveSpanId(uint64_t parent, uint64_t ordinal) {
  return Spread(parent + (ordinal + 1) * 0x9e3779b97f4a7c15) | 1;
}

SpanContext ChildOf(const SpanContext& parent) {
  SpanContext child = parent;
  child.span = NewSpanId();
  return child;
}

SpanContext NewTrace() {
  SpanContext context{NextRandom(), NextRandom() | 1, NewSpanId(), false};
  context.sampled = IsSampledByRatio(context.trace_low);
  return context;
}

}  // namespace boxoffice::obs
