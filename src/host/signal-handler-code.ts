/** Machine code of signal-handler.c for x86-64, made by src/tools/build-signal-handler.ts. */

/** Base64. */
export const CODE =
  'VUGJ+EmJ0VOLbghIifONRf+D+H53RIP/C3c/uLAJAACJ+UjT6KgBdDG6CAAAADHASI18JOBIidFIjXQk4POrSWP4uA0AAABBuAgAAABIicpNic' +
  'IPBekjAQAAMdK4ugAAAEiJ10iJ1kmJ0g8FSI01zQ8AADHJSInyiz2iDwAAOc8PjrAAAABIg8YYOUboD4WcAAAASGPJSGvBGEiLdAIQiwaD4A/B' +
  '4AWDwBBIjTyGMcBEixQDTI0EB0iDwARFiRBIPYAAAAB16YtDCEGJwEGB4AAAAP9BgfgAAACldQYPt8CJRwiLBkhryRj/wIkGSItECgjHAAEAAA' +
  'BIiwUZDwAASQmBKAEAAEmLgagAAABIOwX8DgAAcmdIOwXrDgAAc15IiwXaDgAASYmBqAAAAOtO/8HpQv///0iLBdsOAABJCYEoAQAAhe14DA+3' +
  '7YHNAAAApYlrCEUxybgnAAAATInPTInOTInKTYnKDwVIicdJY/C4gQAAAEiJ2k2Jyg8FW13DScHgIInJSIk9gw4AAEkJyEiJNXEOAABIiRViDg' +
  'AATIkFcw4AAMNMjQWTDgAAMcBMicFEiw1nDgAAQTnBfw1Bg8j/PQAEAAB1F+tCRYsISYPAGEWFyXTnQTn5dOL/wOvSTGPATWvAGEwBwUiJURCL' +
  'FSwOAABIiXEIiTk5wnQFRTHA6wr/wIkFFQ4AAOvxRInAw0iNBSgOAAAx0osNAA4AADnRfhA5OHUEMcmJCP/CSIPAGOvmww==';

/** Where its functions are. */
export const OFFSETS = {
  on_signal: 0x0,
  configure: 0x180,
  attach: 0x1a6,
  detach: 0x211,
} as const;

/** Where its data begins, zero at first, and the bytes it needs in all. */
export const DATA_OFFSET = 4096;
export const SIZE = 32768;
