#include "services/cli/fleet_cells.h"

#include "services/cli/json.h"

namespace closewrite::cli {

Cell PresenceCell(bool connected, bool draining) {
  if (!connected) return {"silent", Color::kRed};
  return draining ? Cell("draining", Color::kYellow) : Cell("connected", Color::kGreen);
}

Cell VolumeStateCell(v1::VolumeState state) {
  const Color color = state == v1::VOLUME_STATE_LIVE       ? Color::kGreen
                      : state == v1::VOLUME_STATE_SCANNING ? Color::kCyan
                                                           : Color::kRed;
  return {EnumName(*v1::VolumeState_descriptor(), state), color};
}

}  // namespace closewrite::cli
