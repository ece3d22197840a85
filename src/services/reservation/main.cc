// boxoffice-reservation: reservations and their sagas as a process of its own.
#include "platform/module/serve.h"
#include "services/reservation/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, boxoffice::reservation::Program());
}
