using EhrGrains.Contracts.Budgets;

namespace EhrGrains.Grains.Budgets;

/// <summary>One holder's claim on indivisible units.</summary>
/// <param name="Held">What it has.</param>
/// <param name="Wanted">What it has use for, by lane.</param>
/// <param name="Turn">Its place in the order in which units that cannot be shared equally are dealt; 0 is first.</param>
internal readonly record struct Claim(int Held, int[] Wanted, int Turn);

/// <summary>Shares out whole units: by lane, within a lane as equally as the wants allow, the odd ones by turn.</summary>
internal static class Dealing
{
    /// <summary>
    /// The share of each claim; together at most <paramref name="units"/>. What nobody wants stays with who has it.
    /// </summary>
    internal static int[] Targets(int units, ReadOnlySpan<Claim> claims)
    {
        var targets = new int[claims.Length];
        var left = Math.Max(0, units);
        for (var lane = Lane.Interactive; lane <= Lane.Backfill && left > 0; lane++)
        {
            left = Fill(left, claims, (int)lane, targets);
        }

        for (var i = 0; i < claims.Length && left > 0; i++)
        {
            var keep = Math.Clamp(claims[i].Held - targets[i], 0, left);
            targets[i] += keep;
            left -= keep;
        }

        return targets;
    }

    // Max-min fairness: nobody gets more while another who wants as much has less, but for one odd unit.
    private static int Fill(int units, ReadOnlySpan<Claim> claims, int lane, int[] targets)
    {
        var unmet = new int[claims.Length];
        var hungry = 0;
        for (var i = 0; i < claims.Length; i++)
        {
            unmet[i] = Math.Max(0, claims[i].Wanted[lane]);
            hungry += unmet[i] > 0 ? 1 : 0;
        }

        while (hungry > 0 && units >= hungry)
        {
            var share = units / hungry;
            for (var i = 0; i < unmet.Length; i++)
            {
                if (unmet[i] == 0)
                {
                    continue;
                }

                var given = Math.Min(share, unmet[i]);
                targets[i] += given;
                unmet[i] -= given;
                units -= given;
                hungry -= unmet[i] == 0 ? 1 : 0;
            }
        }

        for (; units > 0 && hungry > 0; units--, hungry--)
        {
            var next = -1;
            for (var i = 0; i < unmet.Length; i++)
            {
                next = unmet[i] > 0 && (next < 0 || claims[i].Turn < claims[next].Turn) ? i : next;
            }

            targets[next]++;
            unmet[next] = 0;
        }

        return units;
    }
}
