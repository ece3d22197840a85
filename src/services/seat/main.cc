// boxoffice-seat: the seat service as a process of its own.
#include "platform/module/serve.h"
#include "services/seat/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, "seat", [](const auto& runtime) {
    return std::make_unique<boxoffice::seat::SeatModule>(runtime, boxoffice::seat::SeatConfig{});
  });
}
