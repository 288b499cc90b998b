// What applying a definition did, as people see it.
#ifndef SERVICES_COORDINATOR_API_APPLY_EFFECT_VIEW_H_
#define SERVICES_COORDINATOR_API_APPLY_EFFECT_VIEW_H_

#include "closewrite/v1/pipeline.pb.h"
#include "services/coordinator/core/apply_effect.h"

namespace closewrite {

inline v1::ApplyEffect ToProto(ApplyEffect effect) {
  switch (effect) {
    case ApplyEffect::kCreated:
      return v1::APPLY_EFFECT_CREATED;
    case ApplyEffect::kChanged:
      return v1::APPLY_EFFECT_CHANGED;
    case ApplyEffect::kUnchanged:
      return v1::APPLY_EFFECT_UNCHANGED;
  }
  return v1::APPLY_EFFECT_UNSPECIFIED;
}

}  // namespace closewrite

#endif  // SERVICES_COORDINATOR_API_APPLY_EFFECT_VIEW_H_
