using System.Globalization;
using EhrGrains.Contracts;

namespace EhrGrains.Grains.Sync;

/// <summary>Why a copy is not complete, in words.</summary>
internal static class SyncProblems
{
    internal static Problem Incomplete(int missing) => new(
        "EHR-SYN-002",
        "",
        missing == 1 ? "1 resource that the hospital names was not found there. It is asked for again."
            : missing > 0 ? string.Create(CultureInfo.InvariantCulture, $"{missing} resources that the hospital names were not found there. They are asked for again.")
            : "The hospital says that its answer does not hold everything. It is asked again.");

    internal static Problem SessionsExpired => new(
        "EHR-SYN-003", "", "The hospital ended the search again and again before its last page. It is tried again; a smaller patient load or a larger budget helps.");

    internal static Problem EndlessPages => new("EHR-SYN-004", "", "The hospital's paging does not come to an end: it repeats pages. It is tried again.");

    internal static Problem Unreadable(string reason) => new("EHR-SYN-005", "", $"The hospital's answer cannot be read. {reason}");

    internal static Problem TooLarge => new("EHR-SYN-006", "", "A page of the hospital is larger than the bound. Ask for smaller pages in the vendor profile.");

    internal static Problem TooMany => new("EHR-SYN-007", "", "The patient has more resources of this type than are copied (200,000).");

    internal static Problem Throttled => new("EHR-SYN-008", "", "The site budget has no room for copying now. It goes on by itself.");

    internal static Problem NoPatient => new(
        "EHR-SYN-009", "", "The hospital has no such patient, or hides it. If the patient was merged there into one that it does not name, enrol that one.");

    internal static Problem Merged => new(
        "EHR-SYN-019", "", "The hospital has merged the patient into another. The copy becomes a part of the survivor's as soon as that one is complete.");

    internal static Problem NotOpen => new("EHR-SYN-012", "", "The tenant is not open: activate a credential and move it to sandbox, uat or live.");
}
