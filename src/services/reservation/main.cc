#include "platform/module/serve.h"
#include "services/reservation/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, "reservation", [](const auto& runtime) {
    return std::make_unique<boxoffice::reservation::ReservationModule>(
        runtime, boxoffice::reservation::ReservationConfig{});
  });
}
