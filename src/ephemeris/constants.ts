/** Constants of the Galileo orbit, clock and frame models. Source: Galileo OS SIS ICD 2.1 section 5.1.1; WGS 84. */

/** The ICD's pi: broadcast semicircles are to be multiplied by this value, not by Math.PI. */
export const PI = 3.1415926535898;
/** Geocentric gravitational constant, m^3/s^2. */
export const MU = 3.986004418e14;
/** Mean angular velocity of the Earth, rad/s. */
export const OMEGA_EARTH = 7.2921151467e-5;
/** Speed of light, m/s. */
export const SPEED_OF_LIGHT = 299_792_458;
/** Relativistic clock correction constant, -2 sqrt(mu)/c^2, s/m^(1/2). */
export const F_RELATIVITY = -4.442807309e-10;
/** E1 and E5b carrier frequencies, Hz. */
export const E1_HZ = 1_575_420_000;
export const E5B_HZ = 1_207_140_000;
/** WGS 84 ellipsoid: semi-major axis in metres and flattening. */
export const WGS84_A = 6_378_137;
export const WGS84_F = 1 / 298.257223563;
